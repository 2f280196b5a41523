"""What MLflow's UI shows of the runs of a fit and of a test of its checkpoint."""

import pytest
from commands.runs import SMALL, all_runs, client

from qlit.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a fit, a test and a validation of its checkpoint, and a test in another experiment."""
    made = tmp_path_factory.mktemp("record")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert main(["fit", *SMALL, "--trainer.max_epochs", "2"]) == 0
        (best,) = made.glob("mlruns/runs/*/best.ckpt")
        assert main(["test", "--ckpt_path", str(best)]) == 0
        assert main(["validate", "--ckpt_path", str(best)]) == 0
        assert main(["test", "--ckpt_path", str(best), "--tracking.experiment", "other"]) == 0
        assert main(["test", "--ckpt_path", str(best), "--tracking.run_name", "mine"]) == 0
    return made


@pytest.fixture(scope="module")
def runs(folder):
    """The runs by name, and the one of the other experiment."""
    (other,) = all_runs(folder, "other")
    return {run.info.run_name: run for run in all_runs(folder)} | {"other": other}


def test_runs_are_named_by_model_data_and_split_unless_a_name_is_given(runs):
    name = "sQE 9q, PQC 4q, sample, seed 0"
    assert runs.keys() == {name, f"test: {name}", f"validate: {name}", "mine", "other"}


def test_runs_that_score_a_checkpoint_are_linked_to_its_run(runs):
    (fit,) = [run for name, run in runs.items() if name.startswith("sQE")]
    assert "scored.run_id" not in fit.data.tags
    for name, run in runs.items():
        if run is not fit:
            assert run.data.tags["scored.run_id"] == fit.info.run_id
            assert ("mlflow.parentRunId" in run.data.tags) == (name != "other")  # MLflow nests runs of one experiment
    tags = runs["mine"].data.tags
    assert tags["mlflow.parentRunId"] == fit.info.run_id
    page = f"[{fit.info.run_name}](#/experiments/{fit.info.experiment_id}/runs/{fit.info.run_id})"
    assert tags["mlflow.note.content"].startswith(f"Scores the checkpoint of run {page}. built-in sample")


def test_runs_have_their_data_sets_with_their_sizes(runs):
    found = {}
    for name, run in runs.items():
        inputs = run.inputs.dataset_inputs
        assert {each.dataset.name for each in inputs} == {"sample"}
        found[name.partition(":")[0]] = {each.tags[0].value: each.dataset for each in inputs}
    fit = next(parts for name, parts in found.items() if name.startswith("sQE"))
    assert {part: each.profile for part, each in fit.items()} == {
        "train": '{"num_rows": 64}', "validation": '{"num_rows": 16}', "test": '{"num_rows": 20}'
    }  # fmt: skip
    assert len({each.digest for each in fit.values()}) == 3
    assert {part: each.digest for part, each in found["test"].items()} == {"test": fit["test"].digest}
    assert found["validate"].keys() == {"validation"}


def test_scores_of_a_checkpoint_are_numbers_at_step_0_and_scores_of_epochs_are_curves(folder, runs):
    for run in runs.values():
        for name in run.data.metrics:
            steps = [point.step for point in client(folder).get_metric_history(run.info.run_id, name)]
            is_curve = name.startswith(("train/", "val/")) and run.info.run_name.startswith("sQE")
            assert steps == ([0, 1] if is_curve else [0]), name


def test_a_run_has_about_twenty_parameters_and_its_whole_config_as_an_artifact(folder, runs):
    (fit,) = [run for name, run in runs.items() if name.startswith("sQE")]
    assert 15 <= len(fit.data.params) <= 30
    path = client(folder).download_artifacts(fit.info.run_id, "config.yaml", str(folder))
    text = (folder / "config.yaml").read_text()
    assert path.endswith("config.yaml")
    assert all(key in text for key in ("gradient_clip_val", "init_std", "eval_batch_size"))
