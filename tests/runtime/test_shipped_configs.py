"""The configs that come with qlit, by name."""

from pathlib import Path

import pytest

from qlit.runtime import shipped_configs
from qlit.runtime.errors import UsageError
from qlit.runtime.shipped_configs import find_shipped, path_of_config, with_shipped_configs

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_every_config_of_the_clone_has_a_name():
    files = shipped_configs.shipped_configs()
    assert sorted(files.values()) == sorted(CONFIGS.rglob("*.yaml"))
    assert files["baselines/svc"] == CONFIGS / "baselines" / "svc.yaml"


def test_an_installed_package_has_its_configs_in_its_own_folder(tmp_path, monkeypatch):
    folder = tmp_path / "qlit" / "configs"
    folder.mkdir(parents=True)
    monkeypatch.setattr(shipped_configs, "PACKAGE", tmp_path / "qlit")
    with pytest.raises(FileNotFoundError, match=r"The configs of qlit are missing beside .*qlit; install qlit again"):
        shipped_configs.shipped_folder()
    (folder / "quickstart.yaml").write_text("a: 1")
    assert find_shipped("quickstart") == folder / "quickstart.yaml"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("quickstart", "quickstart.yaml"),
        ("quickstart.yaml", "quickstart.yaml"),
        ("svc", "baselines/svc.yaml"),
        ("baselines/svc", "baselines/svc.yaml"),
        ("studies/table_06.yaml", "studies/table_06.yaml"),
    ],
)
def test_a_config_is_found_by_its_name(tmp_path, monkeypatch, name, file):
    monkeypatch.chdir(tmp_path)
    assert path_of_config(name) == str(CONFIGS / file)


def test_a_name_that_two_configs_end_with_is_refused(tmp_path, monkeypatch):
    for name in ("quickstart", "a/svc", "b/svc"):
        (tmp_path / "configs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / f"{name}.yaml").write_text("x: 1")
    monkeypatch.setattr(shipped_configs, "PACKAGE", tmp_path)
    with pytest.raises(UsageError, match=r"^2 configs of qlit are called svc: a/svc, b/svc; name one of them\.$"):
        find_shipped("svc")
    assert find_shipped("b/svc") == tmp_path / "configs" / "b" / "svc.yaml"


@pytest.mark.parametrize(
    "text", ["{a: 1}", "-", "https://example.org/a.yaml", "a: 1", "", "svc 'x", "my/own.yaml", "x" * 300]
)
def test_what_is_no_name_and_resembles_none_stays_as_it_is(text):
    assert path_of_config(text) == text


def test_a_file_of_the_current_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svc").write_text("a: 1")
    assert path_of_config("svc") == "svc"
    assert with_shipped_configs(["--config", "svc"]) == ["--config", "svc"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("configs/quickstart.yaml", "qlit has one of this name, which you get with the name quickstart."),
        ("../configs/baselines/svc.yaml", "qlit has one of this name, which you get with the name baselines/svc."),
        ("quikstart", r"check the path \(did you mean 'quickstart'\?\), or see `qlit config list`."),
    ],
)
def test_a_name_close_to_a_config_of_qlit_is_answered_with_that_name(tmp_path, monkeypatch, text, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"^there is no config {text} \(in {tmp_path}\); {hint}$"):
        path_of_config(text)


def test_only_values_of_the_option_are_replaced_and_only_before_a_double_dash():
    svc = str(CONFIGS / "baselines" / "svc.yaml")
    words = [
        "svc",
        "-c",
        "svc",
        "--config=svc",
        "--config",
        "svc --data.seed 3",
        "--to",
        "svc",
        "--",
        "--config",
        "svc",
    ]
    replaced = ["svc", "-c", svc, f"--config={svc}", "--config", f"{svc} --data.seed 3", *words[6:]]
    assert with_shipped_configs(words) == replaced
    assert with_shipped_configs(["--config"]) == ["--config"]
