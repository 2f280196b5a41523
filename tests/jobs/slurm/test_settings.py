"""Slurm files: what is read, and what is refused in one sentence."""

from dataclasses import fields
from pathlib import Path

import pytest

from qlit.jobs.slurm.settings import SlurmSettings, read_settings
from qlit.runtime.yaml_text import read_yaml

EXAMPLE = Path(__file__).resolve().parents[3] / "configs" / "slurm" / "example.yaml"


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        (tmp_path / "slurm.yaml").write_text(text)
        return read_settings(tmp_path / "slurm.yaml")

    return read_text


def test_the_example_has_every_key_and_is_read():
    content = read_yaml(EXAMPLE, "the example")
    assert set(content) == {field.name for field in fields(SlurmSettings)}
    settings = read_settings(EXAMPLE)
    assert settings == SlurmSettings(time="1:00:00", workers=4)


def test_an_empty_file_leaves_everything_to_the_cluster(read):
    assert read("# nothing\n") == SlurmSettings()


def test_lists_may_be_single_values_and_a_folder_may_be_in_the_home(read, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = read("modules: cuda/12.4\nsetup: [a=1, 'export b=2']\nfolder: ~/jobs\noptions: --qos=short\n")
    assert settings.modules == ("cuda/12.4",)
    assert settings.setup == ("a=1", "export b=2")
    assert settings.folder == Path("/home/somebody/jobs")
    assert settings.options == ("--qos=short",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitoin: main", "unknown key 'partitoin'; did you mean 'partition'?"),
        ("gpus: 2", "unknown key 'gpus'; known are partition, account"),
        ("time: 1:00:00", '`time` of .* must be a text such as "2:00:00", in quotes, but got 3600'),
        ("time: 'an hour'", "`time` of .* but got 'an hour'"),
        ("nodes: two", "`nodes` of .* must be a whole number of at least 1, but got 'two'"),
        ("nodes: 0", "`nodes` of .* at least 1, but got 0"),
        ("workers: 1.5", "`workers` of .* a whole number"),
        ("gpus_per_node: true", "`gpus_per_node` of .* a whole number"),
        ("memory: 8 GB", '`memory` of .* such as "8G"'),
        ('partition: "main\\n#SBATCH --uid=0"', "`partition` of"),
        ('setup: ["true\\nfalse"]', "`setup` of .* must be one line"),
        ("setup: [export HF_TOKEN=hf_abcdefghijklmnopqrstu]", "`setup` of .* contains a password or a token"),
        ("setup: 3", "`setup` of .* must be a text"),
        ("options: [qos]", "`options` of .* must be options of sbatch such as --qos=short, but got 'qos'"),
        ("- partition", "must be keys with values"),
        ("partition: [", "is not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no Slurm file .*nowhere.yaml"):
        read_settings(tmp_path / "nowhere.yaml")
