"""`qlit report` on made-up runs in a real MLflow store, and on real tiny trainings."""

import csv
import json
import re
import shlex
from dataclasses import replace

import pytest
from made_up_fits import COMMIT, cells_of, made_up_fit

from qlit.cli import main
from qlit.comparisons.paper import PARTS
from qlit.jobs.study.setup import job_of, replicate_of
from qlit.runtime.shipped_configs import shipped_configs
from qlit.studies.designs import cells_of as cells_of_study
from qlit.studies.files.study_file import read_study
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore:'penalty' was deprecated:FutureWarning"),
]


def said(capsys, *arguments, status=0):
    assert main(["report", *arguments]) == status
    shown = capsys.readouterr()
    return shown.out, shown.err


def rows(folder, part):
    return list(csv.DictReader((folder / "report" / f"{part}.csv").read_text().splitlines()))


def test_an_empty_project_is_told_what_to_run_the_cheapest_first(folder, capsys, monkeypatch):
    # Times of real models: tests/jobs/test_paper_cells.py
    seconds = {"logistic": 10.0, "qubits=18": 9000.0}
    monkeypatch.setattr(
        "qlit.jobs.paper_cells.planned_seconds",
        lambda words, **_: next((value for key, value in seconds.items() if key in str(words)), 60.0),
    )
    out, err = said(capsys, "--all")
    assert "there is no finished training of this qlit in MLflow at sqlite:" in err
    assert "computed; needs no training" in out
    assert "none of 63 cells" in out
    order = re.findall(r"^(\w+), [\d,]+ trainings?, about (.*):$", out, re.MULTILINE)
    assert order[0] == ("table4", "14 min")
    assert order[-1][0] == "fig11"
    assert len(order) == len(PARTS) - 1
    assert "a few training steps on this machine" in out
    assert [row["command"] for row in rows(folder, "fig12")] == [
        "qlit fit --config multi_sqe --model.head.pqc.num_qubits 18 --data.seed 0 --seed_everything 0"
    ]


def test_a_table_takes_what_belongs_to_its_cells(folder, capsys):
    cells = cells_of("table2")
    one, other = cells["logistic regression"], cells["single sQE, 10 qubits"]
    for seed, accuracy in enumerate((0.85, 0.86, 0.87)):
        made_up_fit(one, accuracy, seed=seed)
    made_up_fit(other, 0.8, settings={"trainer.max_epochs": 20})
    made_up_fit(other, 0.4, numerics="0")
    made_up_fit(other, 0.3, status="FAILED")
    made_up_fit(other, 0.2, settings={"model.lr": 0.5})  # belongs to no cell
    out, err = said(capsys, "table2", "--no_timing")
    assert "2 of 13 cells, 2 with fewer epochs or seeds than planned: sst2 with mpnet" in out
    assert "1 finished trainings are of another version of the numerics" in err
    assert (folder / "report" / "table2.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "report" / "table2.svg").read_text().startswith("<?xml")
    assert out.splitlines()[-1] == "report/report.html"
    page = (folder / "report" / "report.html").read_text()
    assert "<td>89.06 %</td><td><b>86.00 %</b></td>" in page
    assert f"{folder}/mlruns/mlflow.db" in page
    found = {row["cell"]: row for row in rows(folder, "table2")}
    assert len(found) == 13
    row = found["logistic regression"]
    assert (row["status"], row["published_percent"], row["mean_percent"]) == ("found", "89.06", "86.0000")
    assert float(row["low_percent"]) < 86 < float(row["high_percent"])
    assert (row["runs"], row["splits"], row["data"], row["body"]) == ("3", "3", "sst2", "mpnet")
    assert row["split_fingerprints"] == "sst2-split-0 sst2-split-1 sst2-split-2"
    assert row["commit"] == COMMIT[:10]
    row = found["single sQE, 10 qubits"]
    assert (row["mean_percent"], row["runs"], row["epochs"], row["planned_epochs"]) == ("80.0000", "1", "20", "800")
    missing = found["SVC, RBF kernel"]
    assert (missing["status"], missing["mean_percent"]) == ("missing", "")
    assert missing["command"] == (
        "qlit fit --config baselines/svc --data.seed 0 --seed_everything 0 --data.source /data/sst2 "
        "--data.body /bodies/mpnet"
    )


def test_bodies_and_data_are_never_mixed_and_can_be_chosen(folder, capsys):
    cell = cells_of("table2")["logistic regression"]
    for body, data, accuracy in (("mpnet", "sst2", 0.8), ("minilm", "sst2", 0.7), ("mpnet", "mine", 0.6)):
        for seed in (0, 1):
            made_up_fit(cell, accuracy, seed=seed, body=body, data=data)
    out, _ = said(capsys, "table2", "--no_timing")
    assert out.count("1 of 13 cells") == 3
    found = {(row["body"], row["data"]): row for row in rows(folder, "table2") if row["status"] == "found"}
    assert {key: row["mean_percent"] for key, row in found.items()} == {
        ("mpnet", "sst2"): "80.0000", ("minilm", "sst2"): "70.0000", ("mpnet", "mine"): "60.0000",
    }  # fmt: skip
    said(capsys, "table2", "--no_timing", "--body", "hub/minilm")
    assert [row["body"] for row in rows(folder, "table2") if row["status"] == "found"] == ["minilm"]
    said(capsys, "table2", "--no_timing", "--data", "mine")
    assert [row["data"] for row in rows(folder, "table2") if row["status"] == "found"] == ["mine"]
    _, err = said(capsys, "table2", "--no_timing", "--body", "bert", status=1)
    assert "has the body 'bert'; there are minilm, mpnet." in err


def test_the_curves_of_a_training_are_drawn(folder, capsys):
    (cell,) = cells_of("fig12").values()
    made_up_fit(cell, 0.9, curve=(0.5, 0.7, 0.8))
    out, _ = said(capsys, "fig12", "--no_timing")
    assert "1 of 1 cell: sst2 with mpnet" in out
    curves = (folder / "report" / "fig12_curves.csv").read_text().splitlines()
    assert curves == [
        "epoch,train/loss,val/accuracy",
        "0,0.5,0.5",
        "1,0.30000000000000004,0.7",
        "2,0.19999999999999996,0.8",
    ]


def test_the_sweep_of_a_figure_shows_its_best_setting_by_validation(folder, capsys):
    cells = [each for each in cells_of("fig8a").values() if each.cell.levels["qubits"] == 10]
    for planned, accuracy in zip(cells, (0.7, 0.8, 0.75), strict=False):
        made_up_fit(planned, accuracy)
    said(capsys, "fig8a", "--no_timing")
    page = (folder / "report" / "report.html").read_text()
    assert "10 (the best of 3 of 6 settings by validation)</td><td>90.21 %</td><td><b>80.00 %</b>" in page


def test_a_diverged_training_leaves_its_cell_without_a_mean(folder, capsys):
    cell = cells_of("table2")["single sQE, 10 qubits"]
    made_up_fit(cell, 0.8)
    made_up_fit(cell, 0.0, seed=1, diverged=True, status="FAILED")
    said(capsys, "table2", "--no_timing")
    row = next(row for row in rows(folder, "table2") if row["cell"] == "single sQE, 10 qubits")
    assert (row["status"], row["mean_percent"]) == ("seed 1 diverged", "")


def test_a_real_training_by_a_printed_command_fills_its_cell(folder, body, capsys):
    places = ["--data.source", "sample", "--data.body", str(body)]
    said(capsys, "table2", "--no_timing", *places)
    command = next(row["command"] for row in rows(folder, "table2") if row["cell"] == "logistic regression")
    assert f"--data.source sample --data.body {body}" in command
    # The tiny body has 8 features; a real one has the 768 of the config.
    words = [*shlex.split(command)[1:], "--model.head.num_features", "8"]
    assert main(words) == 0
    summary = capsys.readouterr().out
    said(capsys, "table2", "--no_timing")
    row = next(row for row in rows(folder, "table2") if row["cell"] == "logistic regression")
    assert (row["status"], row["runs"], row["data"], row["body"]) == ("found", "1", "sample", "body")
    assert f"{float(row['mean_percent']):.2f}%" in summary
    assert row["parameters"] == "9"


def test_a_study_takes_over_a_training_by_a_printed_command(folder, body, capsys):
    said(capsys, "fig8a", "--no_timing", "--data.source", "sample", "--data.body", str(body))
    first = rows(folder, "fig8a")[0]
    assert main([*shlex.split(first["command"])[1:], "--trainer.max_epochs", "1"]) == 0
    capsys.readouterr()
    study = read_study(shipped_configs()["studies/table_06"])
    study = replace(study, overrides={"data.source": "sample", "data.body": str(body), "trainer.max_epochs": 1})
    job = replicate_of(job_of(study, cells_of_study(study)[0]), study.replicates[0], "a cell")
    found = job.find({"val/accuracy", "test/accuracy"})
    assert found.status == "finished"
    out, _ = said(capsys, "fig8a", "--no_timing")
    assert "1 of 30 cells, 1 with fewer epochs or seeds than planned: sample with body" in out
    row = rows(folder, "fig8a")[0]
    assert (row["cell"], row["run_ids"], row["epochs"], row["parameters"]) == (first["cell"], found.run_id, "1", "353")


def test_the_state_of_a_study_is_told(folder, capsys):
    study = read_study(shipped_configs()["studies/table_06"])
    trials = Trials(study, location_of(None, study.name))
    trials.fill()
    trials.close()
    out, _ = said(capsys, "fig8a", "--no_timing")
    assert "Study table_06: 30 waiting." in out
    assert "Study table_06: 30 waiting." in (folder / "report" / "report.html").read_text()


def test_trainings_of_a_table_and_of_a_fit_share_a_row(folder, body, capsys):
    data = ["--data.source", "sample", "--data.body", str(body), "--model.head.num_features", "8"]
    plan = {
        "title": "T",
        "rows": [{"name": "log", "config": "baselines/logistic_regression", "published": 1, "seeds": 2}],
    }
    plan["rows"][0]["config"] = str(shipped_configs()["baselines/logistic_regression"])
    (folder / "small.yaml").write_text(json.dumps(plan))
    assert main(["table", "small.yaml", *data, "--max_seeds", "2"]) == 0
    assert (
        main(["fit", "--config", "baselines/logistic_regression", *data, "--data.seed", "2", "--seed_everything", "2"])
        == 0
    )
    capsys.readouterr()
    said(capsys, "table2", "--no_timing")
    row = next(row for row in rows(folder, "table2") if row["cell"] == "logistic regression")
    assert (row["runs"], row["splits"]) == ("3", "3")


@pytest.mark.usefixtures("folder")
def test_runs_of_other_settings_are_told_apart_from_no_runs(capsys):
    made_up_fit(cells_of("table2")["logistic regression"], 0.9)
    _, err = said(capsys, "fig12", "--no_timing")
    assert "none of the 1 ended trainings in MLflow at sqlite:" in err


def test_an_estimate_needs_no_runs_and_no_store(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out, err = said(capsys, "fig5")
    assert err == ""
    assert out == "  fig5    computed; needs no training\n\nreport/report.html\n"
    assert {path.name for path in tmp_path.iterdir()} == {"report"}
    energies = {row["qubits"]: row for row in rows(tmp_path, "fig5")}
    assert float(energies["45"]["gpu_kj"]) < float(energies["45"]["qpu_kj"])
    assert float(energies["46"]["gpu_kj"]) > float(energies["46"]["qpu_kj"])
    assert energies["46"]["crossover_qubits"] == energies["46"]["published_crossover_qubits"] == "46"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["fig8c"], 2, "there is no figure or table 'fig8c'; did you mean 'fig8"),
        (["figure99"], 2, "there are table2, table3, table4, fig5, fig8a, fig8b, fig9, fig10, fig11, fig12."),
        ([], 2, "name figures and tables, or give --all; there are table2, "),
        (["table2", "--model.lr", "1"], 2, "--model.lr does not name data or a body, and a report trains nothing"),
        (["table2", "--output", "/proc/no/such"], 1, "The output folder /proc/no/such cannot be written ("),
        (["table2", "--output", "a-file"], 1, "The output folder a-file cannot be created, because "),
        (["table2", "--output", "a-file/below"], 1, "a-file is a file; name another one."),
        (["table2", "--experiment", "nothing"], 1, "There is no experiment 'nothing' in MLflow; the experiments there"),
        (["table2", "--tracking_uri", "http://127.0.0.1:9"], 1, "MLflow at http://127.0.0.1:9 does not answer."),
        (["table2", "--tracking_uri", "ftp://x"], 1, "`tracking_uri` must begin with sqlite:///"),
    ],
)
def test_bad_input_is_one_sentence(folder, capsys, arguments, status, sentence):
    (folder / "a-file").touch()
    out, err = said(capsys, *arguments, status=status)
    assert out == ""
    (line,) = err.splitlines()
    assert sentence in line
