"""`qlit config`: list, show and copy."""

import re
from pathlib import Path

import pytest

from qlit.cli import main
from qlit.runtime.shipped_configs import shipped_configs, shipped_folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_list_names_every_config_and_says_what_it_is(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["config", "list"]) == 0
    out = capsys.readouterr().out
    names = re.findall(r"^(\S+)  +\S.{10,}", out, re.MULTILINE)
    assert names == list(shipped_configs())
    assert max(map(len, out.splitlines())) <= int(columns)


def test_a_config_is_shown_as_it_is(capsys):
    assert main(["config", "show", "svc"]) == 0
    assert capsys.readouterr().out == (shipped_folder() / "baselines" / "svc.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("single_sqe", {"single_sqe.yaml"}),
        ("table_06", {"studies/table_06.yaml", "single_sqe.yaml"}),
        (
            "tables/table_02",
            {"tables/table_02.yaml", "single_sqe.yaml", "multi_sqe.yaml"}
            | {f"baselines/{each}.yaml" for each in ("svc", "logistic_regression", "neural_head")},
        ),
    ],
)
def test_a_copy_has_every_config_that_it_reads(capsys, name, files):
    assert main(["config", "copy", name, "--to", "my"]) == 0
    copied = {path.relative_to("my").as_posix() for path in Path("my").rglob("*.yaml")}
    assert copied == files
    assert set(capsys.readouterr().out.split()) == {f"my/{file}" for file in files}
    assert all((Path("my") / file).read_bytes() == (shipped_folder() / file).read_bytes() for file in files)


def test_a_copy_goes_where_the_documentation_expects_it_and_is_repeatable(capsys):
    for _ in range(2):
        assert main(["config", "copy", "quickstart"]) == 0
        assert capsys.readouterr().out == "configs/quickstart.yaml\n"


def test_a_file_that_was_changed_is_kept(folder, capsys):
    (folder / "configs").mkdir()
    (folder / "configs" / "single_sqe.yaml").write_text("mine")
    assert main(["config", "copy", "quickstart", "single_sqe"]) == 1
    assert "configs/single_sqe.yaml exists and differs" in capsys.readouterr().err
    assert not (folder / "configs" / "quickstart.yaml").exists()
    assert (folder / "configs" / "single_sqe.yaml").read_text() == "mine"
    assert main(["config", "copy", "single_sqe", "--force"]) == 0
    assert (folder / "configs" / "single_sqe.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["copy"], "copy needs the name of a config"),
        (["show", "singlesqe"], r"qlit has no config 'singlesqe' \(did you mean 'single_sqe'\?\)"),
        (["list", "svc"], "list takes no names"),
        (["paint", "svc"], "invalid choice: 'paint'"),
        ([], "the following arguments are required"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(capsys, words, message):
    assert main(["config", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert err.count("\n") == 1


def test_commands_take_the_name_of_a_config(capsys):
    assert main(["describe", "--config", "quickstart", "--no_timing"]) == 0
    assert "native" in capsys.readouterr().out
    assert main(["describe", "--config", "configs/quickstart.yaml"]) == 2
    assert "with the name quickstart" in capsys.readouterr().err
