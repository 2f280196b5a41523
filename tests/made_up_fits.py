"""Finished fits in a real MLflow store that nothing trained: their scores are made up."""

import yaml

from qlit.comparisons.paper import PARTS
from qlit.data.contents import Contents
from qlit.jobs.paper_cells import planned_part
from qlit.jobs.planned_fit import resolved_config
from qlit.jobs.run_params import run_params
from qlit.tracking.config_hash import RULES, identity_tags
from qlit.tracking.diverged import diverged_tags
from qlit.tracking.tracker import MLflowTracker

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def recorded(config):
    """A resolved config as the text that a run keeps."""
    return yaml.safe_dump({key: value for key, value in config.items() if key != "config"})


def cells_of(part):
    """Planned fits of a part of the paper by the name of their cell."""
    return {each.cell.name: each for each in planned_part(PARTS[part]).fits}


def made_up_fit(
    planned, accuracy, *, uri=None, seed=0, settings=None, data="sst2", body="mpnet", numerics=None, status="FINISHED",
    diverged=False, curve=(), experiment="made_up", tags=None,
):  # fmt: skip
    """Log one; its data and body are the ones whose contents are called so. Return the id of its run.

    Args:
        planned: A `PlannedFit`.
        accuracy: Test accuracy, in [0, 1]; its validation accuracy is 0.01 higher.
        settings: Other values of config keys.
        curve: Validation accuracies by epoch.
    """
    place = {"data.source": f"/data/{data}", "data.body": f"/bodies/{body}"}
    seeds = {"data.seed": seed, "seed_everything": seed}
    config = resolved_config(planned.configs, {**planned.settings, **place, **seeds, **(settings or {})})
    identity = identity_tags(config, Contents(f"{data}-contents", f"{body}-contents"))
    tracker = MLflowTracker(experiment=experiment, tracking_uri=uri, tags=tags)
    tracker.set_tags(
        {
            **identity,
            **({} if numerics is None else {RULES: numerics}),
            **(diverged_tags(3) if diverged else {}),
            "split.fingerprint": f"{data}-split-{seed}",
            "data.num_test": "9101",
            "git.commit": COMMIT,
            "git.dirty": "false",
        }
    )
    tracker.log_hyperparams({**run_params(config), "parameters.total": planned.cell.parameters or 353})
    tracker.log_text(recorded(config), "config.yaml")
    for epoch, value in enumerate(curve):
        tracker.log_metrics({"val/accuracy": value, "train/loss": 1 - value}, step=epoch)
    if not diverged:
        scores = {"best/val/accuracy": accuracy + 0.01, "test/accuracy": accuracy, "test/loss": 0.5}
        tracker.log_metrics(scores, step=0)
    tracker.close(status)
    return tracker.run_id
