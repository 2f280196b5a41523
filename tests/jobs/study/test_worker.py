"""What a worker asks a pruner."""

from types import SimpleNamespace

import pytest

from qlit.jobs.study.worker import Worker
from qlit.studies.definition import Objective, Pruner


@pytest.mark.parametrize(
    ("metric", "reported"), [("val/loss", [(0.4, 7)]), ("val/accuracy", [(0.9, 7)]), ("val/f1", [])]
)
def test_a_pruner_compares_the_objective_of_the_study(metric, reported):
    found = []
    trial = SimpleNamespace(report=lambda value, epoch: found.append((value, epoch)), should_prune=lambda: True)
    definition = SimpleNamespace(pruner=Pruner("median"), objectives=(Objective(metric),))
    worker = SimpleNamespace(trials=SimpleNamespace(definition=definition))
    give_up = Worker._give_up(worker, SimpleNamespace(trial=trial, may_be_pruned=True))
    assert give_up(7, {"val/accuracy": 0.9, "val/loss": 0.4}) == bool(reported)
    assert found == reported
