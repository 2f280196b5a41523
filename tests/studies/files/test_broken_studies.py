"""Broken study files and tables, generated: one short sentence that names the key, at little cost."""

import time
from typing import Any

import pytest
import yaml
from limits import limits

from qlit.comparisons.table_file import read_plan
from qlit.runtime.errors import in_one_sentence
from qlit.studies.designs import cells_of
from qlit.studies.files.study_file import SCORES, read_study
from qlit.training.scores import Scores

GOOD: dict[str, Any] = {
    "name": "small",
    "base": "base.yaml",
    "overrides": {"trainer.max_epochs": 3},
    "factors": {"model.lr": [1e-3, 1e-2], "n": {"keys": "model.head.n", "low": 1, "high": 4}},
    "design": {"kind": "latin_hypercube", "num_cells": 4, "seed": 1},
    "replicates": {"seeds": [0, 1], "splits": [0]},
    "objectives": ["val/accuracy"],
    "pruner": "none",
    "budget": {"hours": 2},
    "retries": 2,
    "storage": None,
}
ROW = {
    "name": "a",
    "config": "base.yaml",
    "published": 90.5,
    "parameters": 5,
    "seeds": 3,
    "epochs": 7,
    "options": {"a.b": 1},
}
NAN, INF = float("nan"), float("inf")
NO_NUMBER = [True, "text", [], {"a": 1}, NAN, INF, -1, 10**30]
NO_MAPPING = ["text", 5, [1], True]
STUDIES: dict[str, list[Any]] = {
    "name": [None, 5, "", "a/b", "../x", "x" * 1000, ["a"], True],
    "base": [None, [], 5, "", "nope.yaml", "secret.txt", ["base.yaml", 5], {"a": 1}, ".", "empty.yaml", "list.yaml"],
    "overrides": [*NO_MAPPING, {5: 1}, {"model.head.x": 1, "model.head.init_args.x": 2}],
    "factors": [None, {}, *NO_MAPPING],
    "factors.model.lr": [[], [1, 1], [NAN, 1], [1, 1.0], {"keys": []},
                         {"keys": ["model.lr", "model.lr"], "values": [1, 2]},
                         {"low": 1}, {"low": 0, "high": 1, "log": True}, {"low": 2, "high": 1}, {"low": NAN, "high": 1},
                         {"low": 0, "high": INF}, {"low": 0, "high": 1, "step": 0}, {"low": 0, "high": 1, "step": 1e-9},
                         {"low": 0, "high": 1, "step": NAN}, {"low": "a", "high": 1}, {"low": True, "high": 2},
                         {"low": 1, "high": 2, "log": 1}, {"low": 0, "high": 10**20}, {"values": [1, 2], "when": 5},
                         {"values": [1, 2], "when": {"nope": 1}}, {"keys": 5, "values": [1, 2]}, {"valuess": [1, 2]},
                         {"keys": ["model.head.n"], "values": [1, 2]}, {"keys": "model.head", "values": ["a", "b"]},
                         {"keys": "model.head.init_args.n", "values": [1, 2]}, {"values": [1, 2], "screen": [1]}],
    "design": [None, 5, "nope", [], {"kind": "latin_hypercube"}, {"kind": ["tpe"]}, {"kind": "nope" * 100}],
    "design.num_cells": [*NO_NUMBER, None, 0, 1, 1.5, 10**9],
    "design.seed": [*NO_NUMBER[:-1], None, 1.5],
    "design.nope": [1],
    "replicates": [*NO_MAPPING, {"nope": 1}],
    "replicates.seeds": [*NO_NUMBER, [0, 0], 1.5, [True], [None], list(range(20_000))],
    "replicates.splits": [*NO_NUMBER, [0, 0]],
    "objectives": [[], None, 5, "val/nope", "test/accuracy", "accuracy", ["val/loss", "val/loss"], {"metrics": "x"},
                   {"metric": 5}, {"metric": "val/loss", "direction": "up"}, {"metric": "x" * 5000}],
    "pruner": [None, 5, "nope", [], {"kind": "median", "warmup_epochs": 0}, "median"],
    "budget": ["text", 5, [1], True, {"hour": 1}],
    "budget.hours": NO_NUMBER,
    "retries": [*NO_NUMBER, None, 1.5],
    "storage": [5, [], {"a": 1}, True, ""],
    "nope": [1],
}  # fmt: skip
"""Wrong values by their place in a study file; a key behind a dot is inside of the section before it."""
ROWS: dict[str, list[Any]] = {
    "name": [None, 5, "", [], True], "config": [None, 5, "", []], "published": [*NO_NUMBER, None],
    "parameters": [*NO_NUMBER, None, 1.5], "seeds": [*NO_NUMBER, 0, 1.5, 10**9], "epochs": [*NO_NUMBER, 0],
    "options": [*NO_MAPPING, None, {5: 1}], "nope": [1], "x" * 5000: [1],
}  # fmt: skip
TABLES = [None, 5, "text", [], {}, {"title": "T"}, {"title": 5, "rows": [ROW]}, {"title": "T", "rows": []},
          {"title": "T", "rows": "text"}, {"title": "T", "rows": {"a": 1}}, {"title": "T", "rows": 5},
          {"title": "T", "rows": [ROW, ROW]}, {"title": "T", "rows": [5]},
          {"title": "T", "rows": [["x" * 5000]]}]  # fmt: skip
TEXTS = [b"", b"\xff\xfe", b"\0", b"[" * 100_000, b"a: &a [*a]", b"a: 1\na: 2", b"a: 1\n---\nb: 2", b"a: [", b"\t",
         b"- a", b"a: 2024-13-41", b"# nothing", b"%", b"a: !!int x", b"a: " + b"9" * 5000]  # fmt: skip


@pytest.fixture
def faults_of(tmp_path, monkeypatch, capsys):
    """What is wrong with how a file is refused; None if nothing is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("model: {lr: 1}\n")
    (tmp_path / "secret.txt").write_text("hunter2\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "list.yaml").write_text("- hunter2\n")

    def faults(content: Any, key: str, read: Any) -> str | None:
        (tmp_path / "some.yaml").write_bytes(
            content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
        )
        with limits():
            status = in_one_sentence("qlit", lambda: read("some.yaml") and 0)
        said = capsys.readouterr().err.removesuffix("\n")
        if status == 0 or "Traceback" in said or "\n" in said or len(said) > 300 or "hunter2" in said:
            return f"{key}: {str(content)[:80]}: status {status}, {len(said)} characters: {said[-400:]}"
        return None if key in said else f"{key} is not named: {said}"

    return faults


def with_value(place: str, value: Any) -> dict[str, Any]:
    """A study file with one value changed."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    section, _, key = place.partition(".")
    if key:
        content[section][key] = value
    else:
        content[section] = value
    return content


def read_and_design(path: str) -> object:
    study = read_study(path)
    return study.fingerprint and (study.design.is_search or cells_of(study))


@pytest.mark.parametrize("place", STUDIES)
def test_a_broken_study_is_refused(faults_of, place):
    key = place.partition(".")[2] or place
    names = {
        "factors.model.lr": "",
        "design": "",
        "objectives": "objective",
    }  # of a factor and a design, the message names the part that is wrong
    found = [faults_of(with_value(place, value), names.get(place, key), read_and_design) for value in STUDIES[place]]
    assert not any(found), "\n".join(filter(None, found))


@pytest.mark.parametrize("key", ROWS, ids=lambda key: key[:9])
def test_a_broken_row_of_a_table_is_refused(faults_of, key):
    found = [faults_of({"title": "T", "rows": [{**ROW, key: value}]}, key[:20], read_plan) for value in ROWS[key]]
    assert not any(found), "\n".join(filter(None, found))


def test_a_broken_table_or_text_is_refused(faults_of):
    found = [faults_of(content, "", read_plan) for content in TABLES]
    found += [faults_of(text, "some.yaml", read) for text in TEXTS for read in (read_plan, read_and_design)]
    assert not any(found), "\n".join(filter(None, found))


@pytest.mark.parametrize(
    ("design", "factors", "key"),
    [
        ("full_factorial", {"a.b": {"low": 1, "high": 10**12}}, "a.b"),
        ("full_factorial", {f"a.b{number}": [1, 2, 3] for number in range(40)}, "factors"),
        ({"kind": "gp", "num_trials": 5}, {"a.b": {"low": 1, "high": 10**12}}, "a.b"),
        ({"kind": "tpe", "num_trials": 10**9}, {"a.b": [1, 2]}, "num_trials"),
        ({"kind": "sobol", "num_cells": 2**16}, {f"a.b{number}": [1, 2] for number in range(50)}, "design"),
        ({"kind": "fractional_factorial", "resolution": 10**9}, {"a.b": [1, 2]}, "resolution"),
        ("full_factorial", {f"a.b{number}": [1, 2] for number in range(1000)}, "factors"),
        ("full_factorial", {"a": {"keys": "x.y", "values": [1]}, "b": {"keys": ["z", "x.y"], "values": [1]}}, "x.y"),
        ("full_factorial", {"a": {"keys": "config", "values": ["base.yaml", "secret.txt"]}}, "secret.txt"),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_design_that_is_too_large_or_ambiguous_is_refused(faults_of, design, factors, key):
    content = {"base": "base.yaml", "factors": factors, "design": design}
    assert (fault := faults_of(content, key, read_and_design)) is None, fault


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"overrides": None, "replicates": None, "budget": None, "design": "full_factorial"},
        {"budget": {"hours": 0.5}},
        {"design": {"kind": "latin_hypercube", "num_cells": 20_000}}, {"name": "x" * 100}, {"retries": 1000},
        {"design": {"kind": "tpe", "num_trials": 100_000}, "factors": {"a.b": {"low": 0, "high": 1, "step": 1e-4}}},
        {"design": {"kind": "tpe", "num_trials": 9},
         "factors": {"a.b": {"low": 1, "high": 10**12}, "c.d": [None, True, "x"]}},
        {"replicates": {"seeds": list(range(100)), "splits": list(range(100))}},
        {"objectives": [f"val/{name}" for name in SCORES] + ["parameters", "gates"]},
        {"factors": {"a.b": list(range(5000)), "c.d": ["on", "off"]}},
        {"design": "full_factorial",
         "factors": {"kind": ["p", "q"], "a": {"keys": "x.y", "values": [1, 2], "when": {"kind": "p"}},
                     "b": {"keys": "x.y", "values": [3, 4], "when": {"kind": "q"}},
                     "c": {"keys": "x.y", "low": 1, "high": 3, "when": {"b": 3}}}},
    ],
    ids=range(12),
)  # fmt: skip
def test_right_studies_near_the_limits_are_taken(faults_of, tmp_path, changes):  # noqa: ARG001 - for its files
    content = {**GOOD, **changes}
    if "kind" in content["factors"]:
        content["factors"]["kind"] = {"keys": "k.k", "values": content["factors"]["kind"]}
    (tmp_path / "some.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    began = time.process_time()
    with limits():
        read_and_design(str(tmp_path / "some.yaml"))
    assert time.process_time() - began < 5


def test_the_scores_of_objectives_are_those_of_a_validation():
    assert set(SCORES) == {"loss", *Scores(2).metrics}
