"""`qlit table` on a small table of real trainings."""

import pytest
import yaml
from commands.runs import QUICKSTART, SMALL, all_runs

from qlit.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore::DeprecationWarning:mlflow",
)

OVERRIDES = [*SMALL[4:], "--tracking.experiment", "table"]
ROWS = [
    {"name": "five", "config": str(QUICKSTART), "published": 90.0, "parameters": 49, "seeds": 3, "epochs": 7},
    {
        "name": "without linear layer",
        "config": str(QUICKSTART),
        "published": 91.0,
        "options": {"model.head.final_linear": False, "data.source": "sample"},
        "seeds": 3,
        "epochs": 1,
    },
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({"title": "A small table", "rows": ROWS}))
    return tmp_path


def test_a_table_is_trained_written_and_completed(folder, capsys):
    limits = ["--max_seeds", "1", "--max_epochs", "2"]
    assert main(["table", "small.yaml", *OVERRIDES, *limits, "--no_training"]) == 0
    assert capsys.readouterr().out.count("not run") == 2
    assert not (folder / "mlruns").exists()
    assert main(["table", "small.yaml", *OVERRIDES, *limits, "--output", "small.md"]) == 0
    assert capsys.readouterr().out == ""
    text = (folder / "small.md").read_text()
    assert "| five | 49 | 90.00 % | " in text
    assert "(sentences) | 1 of 1 | 2 |" in text
    assert "| without linear layer | 47 (published -) | 91.00 % | " in text
    assert "(sentences) | 1 of 1 | 1 |" in text
    assert "Order: of 1 pair of rows" in text
    runs = {run.data.tags["series.model"]: run.data.params for run in all_runs(folder, "table")}
    assert runs["five"]["trainer.max_epochs"] == "2"
    assert runs["without linear layer"]["model.head.final_linear"] == "False"
    # What is there is not trained again, and shown where not all is there.
    assert main(["table", "small.yaml", *OVERRIDES, "--max_epochs", "2", "--no_training"]) == 0
    shown = capsys.readouterr()
    assert "| 1 of 3 | 2 |" in shown.out
    assert "training" not in shown.err


@pytest.mark.parametrize("table", ["table_02.yaml", "table_03.yaml"])
def test_every_row_of_the_papers_tables_is_a_config_that_is_understood(folder, capsys, table):
    path = QUICKSTART.parent / "tables" / table
    assert main(["table", str(path), "--no_training"]) == 0
    assert capsys.readouterr().out.count("not run") == len(yaml.safe_load(path.read_text())["rows"])
    assert not (folder / "mlruns").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.yaml"], "There is no table nowhere.yaml"),
        (["small.yaml", "--max_seeds", "0"], "`--max_seeds >= 1` must hold, but got 0."),
        (["small.yaml", "--max_epochs", "-1"], "`--max_epochs >= 1` must hold, but got -1."),
        (["small.yaml", "--output", "no/such.md"], "There is no folder for the output no/such.md"),
        (["small.yaml", "--data.sourse", "x"], "did you mean '--data.source'?"),
        (["missing.yaml"], "There is no config missing-config.yaml, which the row 'five' names"),
    ],
)
def test_an_invalid_table_file_is_refused_in_one_sentence(folder, capsys, arguments, sentence):
    rows = [{**ROWS[0], "config": "missing-config.yaml"}]
    (folder / "missing.yaml").write_text(yaml.safe_dump({"title": "A table", "rows": rows}))
    assert main(["table", *arguments]) in (1, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert sentence in line
