"""`qlit study` on real trainings of a tiny model: each cell once, true statuses, faults, and what is refused."""

import csv
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import time
from contextlib import closing

import optuna
import pytest
import yaml
from commands.runs import QUICKSTART, SMALL, all_runs, client, finish, history, run, start

from qlit.cli import main
from qlit.studies.files.study_file import read_study
from qlit.studies.trials.storage import ENVIRONMENT, location_of
from qlit.studies.trials.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

OVERRIDES = {key.removeprefix("--"): yaml.safe_load(value) for key, value in zip(SMALL[2::2], SMALL[3::2], strict=True)}
OVERRIDES["trainer.max_epochs"] = 1
del OVERRIDES["model.head.pqc.num_qubits"]
STUDY = {
    "base": str(QUICKSTART),
    "overrides": OVERRIDES,
    "factors": {"Q": {"keys": "model.head.pqc.num_qubits", "values": [2, 4]}, "model.lr": [0.005]},
    "replicates": {"seeds": [0], "splits": [0, 1]},
}


def write(folder, name="tiny.yaml", **changes):
    (folder / name).write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return ["--config", name]


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """The folder of a finished study of two cells with two replicates."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv(ENVIRONMENT, raising=False)
        assert main(["study", "worker", *write(folder)]) == 0
    return folder


def children(folder, experiment="tiny"):
    return [each for each in all_runs(folder, experiment) if "mlflow.parentRunId" in each.data.tags]


def test_every_cell_is_a_run_below_the_run_of_the_study(studied):
    runs = all_runs(studied, "tiny")
    assert {each.info.status for each in runs} == {"FINISHED"}
    (parent,) = [each for each in runs if "mlflow.parentRunId" not in each.data.tags]
    trained = children(studied)
    assert {each.data.tags["mlflow.parentRunId"] for each in trained} == {parent.info.run_id}
    cells = sorted(
        (each.data.params["model.head.pqc.num_qubits"], each.data.params["model.lr"],
         each.data.params["data.seed"])
        for each in trained
    )  # fmt: skip
    assert cells == [(q, lr, split) for q in "24" for lr in ("0.005",) for split in "01"]
    assert parent.data.metrics["trials/complete"] == 4
    assert {item.path for item in client(studied).list_artifacts(parent.info.run_id)} >= {"study.yaml", "best.txt"}


def test_a_finished_study_is_not_trained_again(studied, said):
    status, _, err = said(studied, "worker", "--config", "tiny.yaml")
    assert status == 0
    assert "trial" not in err
    assert len(children(studied)) == 4


def test_the_best_is_chosen_on_validation_and_tested(studied, said):
    _, out, _ = said(studied, "export", "--config", "tiny.yaml")
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 4
    cells = {row["cell"]: [other for other in rows if other["cell"] == row["cell"]] for row in rows}

    def rank(key):
        mine = cells[key]
        return [sum(float(row[name]) for row in mine) for name in ("val/accuracy", "val/loss")]

    best = min(cells, key=lambda key: (-rank(key)[0], rank(key)[1]))
    _, out, _ = said(studied, "best", "--config", "tiny.yaml")
    tested = sum(float(row["test/accuracy"]) for row in cells[best]) / 2
    assert f"Q {cells[best][0]['Q']}, lr {cells[best][0]['model.lr']}" in out
    assert f"test/accuracy   {tested:.4f} (" in out
    assert all(row["run_id"] in out for row in cells[best])
    for row in rows:
        logged = client(studied).get_run(row["run_id"]).data.metrics
        assert logged["test/accuracy"] == pytest.approx(float(row["test/accuracy"]))


def test_status_and_best_are_printed_as_json(studied, said):
    _, out, _ = said(studied, "status", "--config", "tiny.yaml", "--json")
    status = json.loads(out)
    assert (status["study"], status["is_finished"], status["num_left"]) == ("tiny", True, 0)
    assert status["trials"]["complete"] == 4
    assert status["running"] == status["failed"] == status["diverged"] == []
    _, out, _ = said(studied, "best", "--config", "tiny.yaml", "--json")
    best = json.loads(out)
    assert status["best"] == best
    accuracies = [client(studied).get_run(run_id).data.metrics["test/accuracy"] for run_id in best["run_ids"]]
    found = best["scores"]["test/accuracy"]
    assert found["mean"] == pytest.approx(sum(accuracies) / 2)
    assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1
    assert f"--model.head.pqc.num_qubits={best['cell']['Q']}" in best["options"]


def test_status_shows_finished_trials(studied, said):
    _, out, _ = said(studied, "status", "--config", "tiny.yaml")
    assert "tiny: 4 of 4 trials done" in out
    assert str(studied / "mlruns" / "studies" / "tiny.journal") in out
    assert said(studied, "reap", "--config", "tiny.yaml")[1] == "tiny: 0 lost trials, 0 lost runs\n"


def test_earlier_runs_are_found_again(studied, said):
    (studied / "mlruns" / "studies" / "tiny.journal").rename(studied / "lost.journal")
    before = {each.info.run_id for each in children(studied)}
    status, _, err = said(studied, "worker", "--config", "tiny.yaml")
    assert status == 0
    assert "trial 3" in err
    assert {each.info.run_id for each in children(studied)} == before


def test_a_finished_run_that_lost_its_scores_is_trained_again(studied, said, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(studied, folder)
    for journal in folder.glob("mlruns/studies/tiny.journal*"):
        journal.unlink()
    lost, *before = [each.info.run_id for each in children(folder)]
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as connection, connection:
        for table in ("metrics", "latest_metrics"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (lost,))
    status, _, err = said(folder, "worker", "--config", "tiny.yaml")
    assert status == 0, err
    (made,) = {each.info.run_id for each in children(folder)} - {lost, *before}
    rows = csv.DictReader(io.StringIO(said(folder, "export", "--config", "tiny.yaml")[1]))
    assert {row["run_id"] for row in rows if float(row["test/accuracy"]) > 0} == {made, *before}


def test_a_search_prunes_and_marks_the_runs(tmp_path, said, monkeypatch):
    never = optuna.pruners.ThresholdPruner(lower=1.1, n_warmup_steps=1)  # no accuracy is above 1
    monkeypatch.setattr("qlit.studies.trials.opening.pruner_of", lambda _: never)
    study = write(
        tmp_path,
        design={"kind": "random", "num_trials": 2},
        overrides={**OVERRIDES, "trainer.max_epochs": 6},
        factors={"model.lr": {"low": 1e-3, "high": 1e-2, "log": True}},
        pruner={"kind": "median", "warmup_epochs": 1},
    )
    status, _, err = said(tmp_path, "worker", *study)
    assert status == 0, err
    runs = children(tmp_path)
    assert [each.info.status for each in runs] == ["FINISHED"] * 2  # of each trial the first replicate alone
    assert [each.data.tags.get("study.state") for each in runs] == ["pruned"] * 2
    assert all("test/accuracy" not in each.data.metrics for each in runs)
    assert set(history(tmp_path, runs[0].info.run_id, "train/loss")) == {0, 1}
    assert err.count(": pruned (") == 2
    assert said(tmp_path, "best", *study)[1] == "tiny: no trial is finished yet.\n"


def test_two_stages_by_one_command(tmp_path, said):
    ranges = {"model.lr": (0.001, 0.1), "model.weight_decay": (0.0, 0.01), "model.lr_decay": (0.9, 1.0)}
    factors = {name: {"low": low, "high": high} for name, (low, high) in ranges.items()}
    design = {
        "kind": "two_stage", "screen": {"kind": "fractional_factorial", "resolution": 3}, "keep": 1,
        "search": {"kind": "tpe", "num_trials": 2},
    }  # fmt: skip
    study = write(tmp_path, factors=factors, design=design, replicates={"splits": [0]})
    status, out, err = said(tmp_path, "worker", *study)
    assert status == 0, err
    runs = children(tmp_path)
    assert [each.info.status for each in runs] == ["FINISHED"] * len(runs)
    screened = [each.data for each in runs if each.data.tags["study.stage"] == "screening"]
    searched = [each.data for each in runs if each.data.tags["study.stage"] == "search"]
    assert len(screened) == 4
    assert len(searched) == len(runs) - 4 == 2
    kept = re.search(r"the screening is finished; search over ([\w.]+);", err).group(1)
    effects = {
        name: abs(sum(
            (1 if float(each.tags[f"study.factor.{name}"]) == max(levels) else -1) * each.metrics["val/accuracy"]
            for each in screened
        ))
        for name, levels in ranges.items()
    }  # fmt: skip
    assert effects[kept] == pytest.approx(max(effects.values()))
    for name in effects.keys() - {kept}:
        assert len({each.tags[f"study.factor.{name}"] for each in searched}) == 1
    assert f"search over {kept}; " in said(tmp_path, "best", *study)[1]
    page = (tmp_path / "mlruns" / "studies" / "tiny" / "report" / "report.html").read_text()
    assert f"tpe over {kept} over all of their values" in page
    assert said(tmp_path, "worker", *study)[0] == 0
    assert len(children(tmp_path)) == len(runs)
    _, out, _ = said(tmp_path, "status", *study)
    assert "tiny: 6 of 6 trials done" in out
    assert "two_stage, 4 cells to screen 3 factors, then 2 trials of tpe" in out


def wait_for(condition, process):
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def running_processes(folder):
    """Process ids of RUNNING trainings, read without MLflow's client: tests that wait for one ask often."""
    query = """
        SELECT pid.value
        FROM runs JOIN tags AS pid USING (run_uuid) JOIN tags AS parent USING (run_uuid)
        WHERE status = 'RUNNING' AND lifecycle_stage = 'active'
          AND pid.key = 'qlit.pid' AND parent.key = 'mlflow.parentRunId'
    """
    try:
        with closing(sqlite3.connect(f"file:{folder}/mlruns/mlflow.db?mode=ro", uri=True)) as connection:
            return {int(number) for (number,) in connection.execute(query)}
    except sqlite3.OperationalError:  # no tables yet
        return set()


def test_a_killed_worker_and_a_stopped_command_lose_nothing(tmp_path, said, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    factors = {"model.lr": [0.005, 0.02], "Q": {"keys": "model.head.pqc.num_qubits", "values": [2]}}
    study = write(tmp_path, overrides={**OVERRIDES, "trainer.max_epochs": 120}, replicates={}, factors=factors)
    command = start(tmp_path, "study", "run", *study, "--workers", "1")
    wait_for((tmp_path / "mlruns" / "mlflow.db").exists, command)
    wait_for(lambda: list(tmp_path.glob("mlruns/runs/*/last.ckpt")), command)
    (killed,) = running_processes(tmp_path)
    os.kill(killed, signal.SIGKILL)
    # Another worker takes its place, and goes on with the same run.
    wait_for(lambda: running_processes(tmp_path) - {killed}, command)
    time.sleep(0.5)
    command.send_signal(signal.SIGTERM)
    status, out, err = finish(command)
    assert (status, out) == (143, ""), err
    assert "worker 0 was killed by SIGKILL; another takes its place" in err
    assert err.splitlines()[-1] == "qlit study: stopped by SIGTERM; run the same command again to continue"
    assert {each.info.status for each in all_runs(tmp_path, "tiny")} <= {"KILLED", "FINISHED"}
    status, _, err = said(tmp_path, "worker", *study)
    assert status == 0, err
    runs = all_runs(tmp_path, "tiny")
    assert {each.info.status for each in runs} == {"FINISHED"}
    assert sorted(each.data.params["model.lr"] for each in children(tmp_path)) == ["0.005", "0.02"]  # none twice
    assert len(runs) == 3
    _, out, _ = said(tmp_path, "status", *study)
    assert "2 of 2 trials done" in out
    assert "its process ended without a message" in out


@pytest.mark.parametrize(
    ("changes", "arguments", "sentence"),
    [
        ({}, ["rum", "--config", "tiny.yaml"], "there is no verb 'rum'; did you mean 'run'?"),
        ({}, ["run", "--config", "no.yaml"], "There is no study file no.yaml"),
        ({}, ["best", "--config", "tiny.yaml"], "There is no study 'tiny' in"),
        ({}, ["run", "--config", "tiny.yaml", "--workers", "0"], "`--workers >= 1` must hold, but got 0."),
        ({}, ["run", "--config", "tiny.yaml", "--model.lr", "3"], "--model.lr is a factor of study 'tiny'"),
        ({}, ["run", "--config", "tiny.yaml", "--data.seed", "3"], "a study sets data.seed itself"),
        ({}, ["run", "--config", "tiny.yaml", "--storage", "redis://x"], "`storage` must start with journal:"),
        ({"factors": {"model.lrr": [1, 2]}}, ["run", "--config", "tiny.yaml"],
         "unknown option --model.lrr; did you mean '--model.lr'?"),
        ({"factors": {"model.lr": {"low": 2, "high": 1}}}, ["run", "--config", "tiny.yaml"], "The range of factor"),
        ({"factors": {f"model.x{k}": list(range(20)) for k in range(5)}}, ["run", "--config", "tiny.yaml"],
         "already has more than 100,000 cells"),
        ({"overrides": {**OVERRIDES, "trainer.num_nodes": 2}}, ["run", "--config", "tiny.yaml"],
         "A study trains each trial on one machine, but tiny has num_nodes 2"),
        ({"overrides": {**OVERRIDES, "trainer.max_epochs": 1_000_000}}, ["run", "--config", "tiny.yaml"],
         "this takes long, and standard input is not a terminal; confirm with --yes"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence(tmp_path, said, monkeypatch, changes, arguments, sentence):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    write(tmp_path, **changes)
    status, out, err = said(tmp_path, *arguments)
    assert status in (1, 2)
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_help_lists_the_verbs(tmp_path):
    status, out, _ = run(tmp_path, "study", "--help")
    assert status == 0
    assert all(verb in out for verb in ("run", "worker", "status", "stop", "reap", "best", "export"))


def test_a_worker_that_joins_needs_a_study_queues_nothing_and_keeps_a_request_to_stop(tmp_path, said):
    named = write(tmp_path)
    status, _, err = said(tmp_path, "worker", *named, "--join")
    assert (status, err.count("\n")) == (1, 1)
    assert "no study 'tiny'" in err
    trials = Trials(read_study(tmp_path / "tiny.yaml"), location_of(None, "tiny"))
    assert trials.fill() == 4
    trials.ask_to_stop()
    trials.close()
    status, _, err = said(tmp_path, "worker", *named, "--join")
    assert status == 0, err
    trials = Trials(read_study(tmp_path / "tiny.yaml"), location_of(None, "tiny"), create=False)
    assert trials.stop_is_asked
    assert trials.num_left == 4
    trials.close()
    assert [run.info.status for run in all_runs(tmp_path, "tiny")] == ["KILLED"]  # of the study, which is not finished
