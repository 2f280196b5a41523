"""Text of a comparison for the terminal."""

import textwrap
from collections.abc import Mapping
from dataclasses import replace

from qlit.comparisons.results import SIGNIFICANCE, Comparison, ModelResult, PairResult, SplitResult
from qlit.comparisons.verdicts import budget_of, margin_text, verdict_of
from qlit.reports.model_names import short_names


def comparison_text(comparison: Comparison, width: int | None = None) -> str:
    """Format models, differences and verdicts; accuracies in per cent, differences in percentage points.

    Args:
        comparison: The comparison. Letters stand for its models if one of them has a long name.
        width: Columns at which sentences are broken; None for one line each.
    """
    splits = "1 split" if comparison.num_splits == 1 else f"{comparison.num_splits} splits"
    about = f"{comparison.dataset}: {comparison.num_test:,} test sentences of {splits}, the same for every model"
    short = short_names([model.name for model in comparison.models])
    legend = [f"{letter:<2} {name}" for name, letter in short.items() if letter != name]
    comparison = _renamed(comparison, short)
    sentences = [*_sentences(comparison), *(pair.verdict for pair in comparison.pairs)]
    if comparison.margin is not None:
        sentences += [margin_text(pair, comparison.margin) for pair in comparison.pairs]
    if _is_any_cut(comparison):
        sentences.append(
            "Intervals over splits are cut where accuracies end, at 0 and 100 %; those of differences at 100 points."
        )
    if len(comparison.pairs) > 1:
        sentences.append(
            f"Every interval has its own confidence of 95 %; that one of these {len(comparison.pairs)} is wrong is "
            "more likely."
        )
    sentences += [comparison.bodies] if comparison.bodies else []
    sentences.append(comparison.budget)
    lines = [*_broken([about], width), "", *legend, *[""] * bool(legend), *_models(comparison.models), ""]
    return "\n".join([*lines, *_pairs(comparison.pairs), "", *_broken(sentences, width)])


def _renamed(comparison: Comparison, short: Mapping[str, str]) -> Comparison:
    """The same comparison with other names of its models."""
    if all(name == other for name, other in short.items()):
        return comparison
    models = tuple(replace(model, name=short[model.name]) for model in comparison.models)
    pairs = []
    for pair in comparison.pairs:
        first, second = short[pair.first], short[pair.second]
        interval = None if pair.low is None or pair.high is None else (pair.low, pair.high)
        verdict = verdict_of(first, second, pair.difference, interval, pair.splits, is_noise=pair.is_noise)
        pairs.append(replace(pair, first=first, second=second, verdict=verdict))
    return replace(comparison, models=models, pairs=tuple(pairs), budget=budget_of(models))


def _broken(sentences: list[str], width: int | None) -> list[str]:
    if width is None:
        return sentences
    return [line for each in sentences for line in textwrap.wrap(each, width) or [""]]


def _models(models: tuple[ModelResult, ...]) -> list[str]:
    width = max(len("model"), *(len(model.name) for model in models))
    lines = [f"{'model':<{width}}  parameters  mean accuracy  95 % interval     lowest  highest"]
    for model in models:
        parameters = "-" if model.num_parameters is None else f"{model.num_parameters:,}"
        lines.append(
            f"{model.name:<{width}}  {parameters:>10}  {100 * model.mean:>11.2f} %  "
            f"{_range(model.low, model.high):<16}  {100 * min(model.accuracies):>6.2f}  "
            f"{100 * max(model.accuracies):>7.2f}"
        )
    return lines


def _pairs(pairs: tuple[PairResult, ...]) -> list[str]:
    names = [f"{pair.second} - {pair.first}" for pair in pairs]
    width = max(len("paired difference"), *map(len, names))
    lines = [f"{'paired difference':<{width}}  points  95 % interval      p (t)    d_z"]
    for name, pair in zip(names, pairs, strict=True):
        interval = "-" if pair.low is None or pair.high is None else _range(pair.low, pair.high)
        p_value = "-" if pair.p_value is None else f"{pair.p_value:.2g}"
        size = "-" if pair.cohens_dz is None else f"{pair.cohens_dz:.2f}"
        lines.append(f"{name:<{width}}  {100 * pair.difference:>+6.2f}  {interval:<16} {p_value:>7}  {size:>5}")
    return lines


def _sentences(comparison: Comparison) -> list[str]:
    """Results of the test sentences: in detail for a single split, else the number of splits with a difference."""
    lines = []
    for pair in comparison.pairs:
        if comparison.num_splits == 1:
            lines += _on_one_split(pair, pair.splits[0])
        else:
            told_apart = [split for split in pair.splits if split.mcnemar.mid_p < SIGNIFICANCE]
            ahead = sum(split.difference > 0 for split in told_apart)
            lines.append(
                f"Tested on every split alone (McNemar, mid-p < {SIGNIFICANCE}): {pair.second} is better on {ahead} of "
                f"{len(pair.splits)} splits, {pair.first} on {len(told_apart) - ahead}."
            )
    return [*lines, ""]


def _is_any_cut(comparison: Comparison) -> bool:
    """Whether an interval over splits was cut at the end of its range."""
    if comparison.num_splits == 1:
        return False
    models = [end for model in comparison.models for end in ((model.low, 0.0), (model.high, 1.0))]
    pairs = [end for pair in comparison.pairs for end in ((pair.low, -1.0), (pair.high, 1.0))]
    return any(end == limit for end, limit in (*models, *pairs))


def _on_one_split(pair: PairResult, split: SplitResult) -> list[str]:
    test = split.mcnemar
    return [
        f"only {pair.first} right: {test.only_first:,} sentences; only {pair.second} right: {test.only_second:,}",
        f"McNemar p {test.exact_p:.2g} (exact), {test.mid_p:.2g} (mid-p); paired bootstrap "
        f"{_range(split.low, split.high)} points; Cohen's h {split.cohens_h:+.3f}",
    ]


def _range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"
