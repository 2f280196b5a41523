"""Fits that a report may take, on a real MLflow store."""

import pytest
from mlflow import MlflowClient

from qlit.engines.numerics import NUMERICS
from qlit.tracking.config_hash import BODY, DATA, HASH, HASH_WITHOUT_SEEDS, RULES
from qlit.tracking.ended_fits import ended_fits
from qlit.tracking.kept_runs import KeptRuns
from qlit.tracking.tracker import MLflowTracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

IDENTITY = {HASH: "h", HASH_WITHOUT_SEEDS: "f", DATA: "d", BODY: "b", RULES: str(NUMERICS)}
SCORES = {"test/accuracy": 0.75, "test/loss": 0.5, "best/val/accuracy": 0.8}


@pytest.fixture
def uri(folder):
    return f"sqlite:///{folder}/mlruns/mlflow.db"


def logged(uri, *, tags=None, params=None, metrics=None, status="FINISHED", experiment="e"):
    tracker = MLflowTracker(experiment=experiment, tracking_uri=uri)
    tracker.set_tags({**IDENTITY, "data.num_test": "20", **(tags or {})})
    tracker.log_hyperparams(
        {"data.source": "/x/sst2", "data.body": "hub/body", "trainer.max_epochs": 7, **(params or {})}
    )
    tracker.log_metrics(SCORES if metrics is None else metrics, step=0)
    tracker.close(status)
    return tracker.run_id


def test_only_finished_and_tested_fits_of_these_numerics_count(uri):
    good = logged(uri)
    logged(uri, status="FAILED")
    logged(uri, status="KILLED")
    logged(uri, metrics={"val/accuracy": 0.7})  # not tested
    logged(uri, metrics={**SCORES, "test/loss": float("inf")})
    logged(uri, tags={"resumed.checkpoint": "of another run"})
    logged(uri, tags={f"resumed.{HASH}": "other"})
    running = logged(uri)
    MlflowClient(uri).update_run(running, status="RUNNING")
    deleted = logged(uri)
    MlflowClient(uri).delete_run(deleted)
    logged(uri, tags={RULES: "0"})
    found = ended_fits(KeptRuns(uri))
    assert [fit.run_id for fit in found.fits] == [good]
    assert found.num_other_numerics == 1
    (fit,) = found.fits
    assert (fit.accuracy, fit.validation_accuracy, fit.num_test, fit.epochs, fit.family) == (0.75, 0.8, 20, 7, "f")
    assert fit.source.name == "sst2 with body"
    assert not fit.has_diverged


def test_the_score_of_a_checkpoint_is_no_fit(uri):
    tracker = MLflowTracker(experiment="e", tracking_uri=uri)
    tracker.set_tags({DATA: "d", BODY: "b", RULES: str(NUMERICS), "data.num_test": "20"})
    tracker.log_metrics(SCORES, step=0)
    tracker.close("FINISHED")
    assert ended_fits(KeptRuns(uri)).fits == ()


def test_a_diverged_fit_is_told_apart(uri):
    run_id = logged(uri, tags={"diverged": "true", "diverged.epoch": "3"}, metrics={}, status="FAILED")
    (fit,) = ended_fits(KeptRuns(uri)).fits
    assert (fit.run_id, fit.has_diverged) == (run_id, True)


def test_one_experiment_can_be_chosen_and_an_unknown_one_is_refused(uri):
    one = logged(uri, experiment="one")
    logged(uri, experiment="two")
    assert [fit.run_id for fit in ended_fits(KeptRuns(uri), "one").fits] == [one]
    with pytest.raises(ValueError, match=r"no experiment 'three' in MLflow; the experiments there are: .*one, two"):
        ended_fits(KeptRuns(uri), "three")


def test_more_runs_than_one_answer_of_mlflow_holds_are_all_found(uri, monkeypatch):
    expected = {logged(uri) for _ in range(3)}
    kept = KeptRuns(uri)
    client = kept._client
    search = client._client.search_runs
    monkeypatch.setattr(
        client._client, "search_runs", lambda *arguments, **options: search(*arguments, max_results=2, **options)
    )
    assert {fit.run_id for fit in ended_fits(kept).fits} == expected


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"data.source": "SetFit/sst2", "data.body": "sentence-transformers/mpnet"}, "SetFit/sst2 with mpnet"),
        ({"data.source": "sample"}, "sample with body"),
        ({"data.source": "my/data.tsv"}, "data.tsv with body"),
        ({"data.embeddings": "/x/vectors.npz"}, "embeddings vectors.npz"),
    ],
)
def test_a_source_has_a_short_name(uri, params, name):
    logged(uri, params=params)
    assert ended_fits(KeptRuns(uri)).fits[0].source.name == name


def test_a_store_that_is_not_there_has_no_fits_and_is_not_made(tmp_path):
    assert ended_fits(KeptRuns(f"sqlite:///{tmp_path}/none.db")).fits == ()
    assert not list(tmp_path.iterdir())
