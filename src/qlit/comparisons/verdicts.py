"""Describe the result of a comparison in sentences."""

from collections.abc import Sequence

from qlit.comparisons.results import SIGNIFICANCE, ModelResult, PairResult, SplitResult

_EPOCHS = {
    "accuracy": "the epoch with the best validation accuracy",
    "loss": "the epoch with the lowest validation loss",
}


def verdict_of(
    first: str,
    second: str,
    mean: float,
    interval: tuple[float, float] | None,
    splits: Sequence[SplitResult],
    *,
    is_noise: bool,
) -> str:
    """One sentence that says whether two models differ.

    Args:
        first, second: Names of the models.
        mean: Mean difference of the accuracies, second minus first.
        interval: 95 % interval of the difference over splits; None with a single split.
        splits: Results on every split.
        is_noise: Whether the difference is within noise.
    """
    better, worse = (second, first) if mean >= 0 else (first, second)
    points = f"{100 * abs(mean):.2f} points"
    if interval is None:
        low, high, what = splits[0].low, splits[0].high, "over the sentences of this one split"
        caveat = "; another split or seed may say otherwise"
    else:
        low, high, what = *interval, f"paired over {len(splits)} splits"
        caveat = "; two splits say little" if len(splits) == 2 else ""
    ends = (low, high) if mean >= 0 else (-high, -low)
    shown = f"95 % interval {100 * ends[0]:.2f} to {100 * ends[1]:.2f}, {what}"
    if is_noise and interval is not None and _told_apart_on_each(splits):
        caveat = f" of so few splits, although the test sentences of every split favour {better}"
    if is_noise:
        return f"The difference between {better} and {worse}, {points} ({shown}), is within noise{caveat}."
    return f"{better} is better than {worse} by {points} ({shown}){caveat}."


def margin_text(pair: PairResult, margin: float) -> str:
    """One sentence that says for both models of a pair whether they may be worse by the margin."""
    low, high = pair.ends
    parts = [
        f"{model} is not worse than {other} by as much"
        if is_not_worse
        else f"{model} may be worse than {other} by as much"
        for model, other, is_not_worse in (
            (pair.second, pair.first, pair.second_is_not_worse),
            (pair.first, pair.second, pair.first_is_not_worse),
        )
    ]
    interval = f"95 % interval of {pair.second} - {pair.first}: {100 * low:+.2f} to {100 * high:+.2f}"
    return f"Margin of {100 * margin:g} points: {parts[0]}, and {parts[1]} ({interval})."


def _told_apart_on_each(splits: Sequence[SplitResult]) -> bool:
    """Whether McNemar's test favours the same model on every split."""
    signs = {split.difference > 0 for split in splits}
    return len(signs) == 1 and all(split.mcnemar.mid_p < SIGNIFICANCE for split in splits)


def tested_epoch(models: Sequence[ModelResult]) -> str:
    """The epoch whose weights were tested, in words; by model, if they were not chosen by the same score."""
    rules = {rule for model in models for rule in model.select_by}
    if len(rules) == 1:
        return _EPOCHS[rules.pop()]
    loss = ", ".join(model.name for model in models if "loss" in model.select_by)
    return f"{_EPOCHS['accuracy']}, but of {loss} that with the lowest validation loss"


def budget_of(models: Sequence[ModelResult]) -> str:
    """One sentence on the tuning and training budgets of models."""
    parts = []
    for model in models:
        settings = "one setting" if model.num_settings == 1 else f"the best of {model.num_settings} settings"
        epochs = "" if model.max_epochs is None else f", {model.max_epochs:,} epoch{'s' * (model.max_epochs != 1)}"
        parts.append(f"{settings}{epochs}")
    trained = {model.max_epochs for model in models} - {None}
    tested = f"; {tested_epoch(models)} was tested" if trained else ""
    if len({model.num_settings for model in models}) == 1 and len(trained) <= 1:
        longest = max(parts, key=len)  # the one with epochs, if another model has none
        return f"Equal tuning budget: {longest} per model{tested}."
    spent = "; ".join(f"{model.name} had {part}" for model, part in zip(models, parts, strict=True))
    return f"The tuning budgets differ: {spent}{tested}."
