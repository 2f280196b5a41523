"""Group runs that belong to the same model."""

from collections.abc import Sequence

from qlit.comparisons.comparison import Model
from qlit.tracking.config_hash import HASH_WITHOUT_SEEDS
from qlit.tracking.kept_runs import KeptRun


def models_of_runs(runs: Sequence[KeptRun]) -> list[Model]:
    """Group runs that differ only in their seeds as one model; if all of them do, make every run a model.

    Args:
        runs: Runs, in any order.
    Returns:
        Models in order of first occurrence, with their runs in order of splits and seeds.
    Raises:
        ValueError: If a run occurs twice.
    """
    groups: dict[str, list[KeptRun]] = {}
    for number, run in enumerate(runs):
        if run.run_id in {each.run_id for each in runs[:number]}:
            raise ValueError(f"Run {run.run_id} is given twice; a comparison needs different runs.")
        groups.setdefault(_family(run), []).append(run)
    grouped = list(groups.values()) if len(groups) > 1 else [[run] for run in runs]
    names = [each[0].name if len(each) == 1 else _name(each) for each in grouped]
    return [
        Model(
            name if names.count(name) == 1 else f"{name} ({of_model[0].run_id[:8]})", tuple(sorted(of_model, key=_key))
        )
        for name, of_model in zip(names, grouped, strict=True)
    ]


def _family(run: KeptRun) -> str:
    """Key that runs of one model share: settings, contents and numerics, at the end of a resumed training."""
    tags, old = run.tags, "config.hash_without_seeds"  # tag of an older qlit, over the settings only
    return tags.get(f"resumed.{HASH_WITHOUT_SEEDS}") or tags.get(HASH_WITHOUT_SEEDS) or tags.get(old) or run.run_id


def _name(runs: Sequence[KeptRun]) -> str:
    """Name that a series gave to one of the runs, or else the name of the first run."""
    return next((run.tags["series.model"] for run in runs if "series.model" in run.tags), runs[0].name)


def _key(run: KeptRun) -> tuple[str, str, str]:
    return run.predictions.split_fingerprint, run.params.get("seed_everything", ""), run.run_id
