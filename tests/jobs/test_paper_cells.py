"""Cells of the paper's figures and tables, and the trainings that belong to them."""

import shlex

import pytest
from made_up_fits import cells_of, recorded

from qlit.comparisons.paper import PARTS
from qlit.comparisons.planned_cells import PartResult
from qlit.jobs.job import Job
from qlit.jobs.paper_cells import Place, Timing, planned_part, with_commands
from qlit.jobs.planned_fit import fit_command, recorded_key, resolved_config, setting_words, settings_key
from qlit.runtime.shipped_configs import with_shipped_configs

NUM_CELLS = {
    "table2": 13, "table3": 7, "table4": 14, "fig5": 0, "fig8a": 30, "fig8b": 25, "fig9": 63, "fig10": 27, "fig11": 90,
    "fig12": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_its_cells_and_no_two_are_the_same_training(name):
    fits = planned_part(PARTS[name]).fits
    assert len(fits) == NUM_CELLS[name]
    assert len({each.cell.key for each in fits}) == len(fits)
    assert len({each.cell.name for each in fits}) == len(fits)


def test_the_published_numbers_are_at_their_cells():
    published = {(each.cell.levels["qubits"], each.cell.published) for each in planned_part(PARTS["fig8a"]).fits}
    assert published == {(10, 90.21), (12, 90.99), (14, 91.45), (16, None), (18, 91.75)}
    noisy = [each.cell for each in planned_part(PARTS["fig11"]).fits if each.cell.levels["noise"] is not None]
    assert len(noisy) == 60
    assert all(each.published is None for each in noisy)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("table2", "multi sQE, 18 qubits"), ("table2", "neural network (0, 0)"), ("table2", "SVC, RBF kernel"),
        ("fig11", "noise [0.0002, 0.002], qubits 12, lr 0.001"), ("table4", "F False, lr 0.0025"),
        ("fig12", "multi sQE, 18 qubits"),
    ],
)  # fmt: skip
def test_the_printed_command_is_the_training_of_its_cell(part, name):
    found = cells_of(part)
    planned = found.get(name) or next(
        each for key, each in found.items() if set(key.split(", ")) == set(name.split(", "))
    )
    _, command, *words = shlex.split(fit_command(planned.configs, planned.settings, ["--data.seed", "3"]))
    assert command == "fit"
    job = Job(with_shipped_configs(words))
    assert recorded_key(job.config_yaml, "r") == planned.cell.key
    assert job.config["trainer"]["max_epochs"] == planned.cell.epochs


def test_the_fit_of_a_study_goes_to_the_experiment_where_the_study_looks():
    planned = next(iter(cells_of("fig8a").values()))
    assert "--tracking.experiment table_06" in fit_command(planned.configs, planned.settings)


@pytest.mark.parametrize(
    ("key", "value", "is_same"),
    [
        ("data.seed", 7, True), ("seed_everything", 7, True), ("trainer.max_epochs", 3, True),
        ("data.source", "/x", True), ("data.body", "/y", True), ("trainer.accelerator", "cpu", True),
        ("model.head.encoder.num_qubits", 11, False), ("model.lr", 0.1, False), ("data.num_per_label", 12, False),
        ("data.max_test", 100, False), ("data.splits", "given", False), ("model.head.pqc.shots", None, False),
        ("model.head.num_classes", None, True), ("model.head.num_classes", 6, False), ("trainer.precision", None, True),
        ("trainer.precision", "64-true", False), ("data.batch_size", 8, False),
        ("trainer.gradient_clip_val", 1.0, False),
        ("model.weight_decay", 1, False),
    ],
)  # fmt: skip
def test_what_makes_another_training_and_what_does_not(key, value, is_same):
    planned = cells_of("table2")["single sQE, 10 qubits"]
    other = resolved_config(planned.configs, {**planned.settings, key: value})
    assert (settings_key(other) == planned.cell.key) is is_same
    assert (recorded_key(recorded(other), "r") == planned.cell.key) is is_same


def test_the_number_of_features_is_the_bodys():
    planned = cells_of("table2")["logistic regression"]
    other = resolved_config(planned.configs, {**planned.settings, "model.head.num_features": 384})
    assert settings_key(other) == planned.cell.key


def test_a_plan_with_a_key_that_is_not_there_is_refused():
    planned = cells_of("table2")["logistic regression"]
    with pytest.raises(ValueError, match=r"A plan sets model\.head\.encoder\.num_qubits, which is no key"):
        resolved_config(planned.configs, {"model.head.encoder.num_qubits": 10})


def test_values_are_words_of_a_command_line():
    settings = {"model.head.final_linear": True, "model.lr": 0.0025, "data.source": "a b", "data.max_test": None}
    assert setting_words(settings) == [
        *("--model.head.final_linear", "true", "--model.lr", "0.0025"),
        *("--data.source", "a b", "--data.max_test", "null"),
    ]


def result_of(name):
    planned = planned_part(PARTS[name])
    return PartResult(planned.part, tuple(each.cell for each in planned.fits)), planned


def test_missing_cells_get_commands_with_the_users_data():
    result = with_commands(*result_of("fig11"), Place(("--data.source", "my sst2")))
    assert result.commands == (
        "qlit study run --config studies/table_06 --data.source 'my sst2'",
        "qlit study run --config studies/table_15 --data.source 'my sst2'",
    )
    assert len(result.to_train) == 90
    assert with_commands(*result_of("table2"), Place()).commands == ("qlit table tables/table_02",)
    (command,) = with_commands(*result_of("fig12"), Place()).commands
    assert command == "qlit fit --config multi_sqe --model.head.pqc.num_qubits 18 --data.seed 0 --seed_everything 0"


def test_a_body_of_another_width_gets_a_command_per_model():
    result = with_commands(*result_of("table2"), Place(("--data.body", "minilm"), 384))
    assert len(result.commands) == 13
    by_name = {each.cell.name: each.command for each in result.to_train}
    assert "--model.head.num_features 384 --data.seed 0" in by_name["logistic regression"]
    assert "num_features" not in by_name["single sQE, 10 qubits"]  # its amplitudes hold any width up to 1,024
    result = with_commands(*result_of("table3"), Place((), 384))
    assert "--model.head.encoder.num_features 384" in result.to_train[2].command
    (command,) = with_commands(*result_of("fig8a"), Place((), 384)).commands
    assert command == "qlit study run --config studies/table_06"


def test_models_of_one_size_are_timed_once(monkeypatch):
    timed = []
    monkeypatch.setattr("qlit.jobs.paper_cells.planned_seconds", lambda words, **_: timed.append(words) or 2.0)
    result, planned = result_of("fig11")
    result = Timing().timed(with_commands(result, planned, Place()), planned)
    assert len(timed) == 10  # five sizes, with and without noise; all learning rates and both error rates take as long
    assert result.total_s == 2.0 * 90


def test_a_real_training_is_timed_without_its_data():
    result, planned = result_of("table2")
    cells = [each for each in planned.fits if each.cell.name in ("single sQE, 10 qubits", "logistic regression")]
    planned = type(planned)(planned.part, tuple(cells))
    result = PartResult(result.part, tuple(each.cell for each in cells))
    quantum, classical = Timing().timed(with_commands(result, planned, Place()), planned).to_train
    assert quantum.estimated_s > classical.estimated_s > 0
