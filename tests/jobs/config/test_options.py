"""Errors of jsonargparse about real configs and command lines, as one sentence."""

import re
from typing import Any

import pytest
from checkpoint_models import model_of_config
from commands.runs import ROOT

from qlit.jobs.config.models import model_parser
from qlit.jobs.config.options import readable_errors, value_of, with_nulls
from qlit.runtime.errors import UsageError

CONFIG = ROOT / "configs" / "single_sqe.yaml"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """The one sentence on the config with `old` replaced by `new`, and on options behind it."""
    monkeypatch.chdir(tmp_path)

    def parse(*options: str, old: str = "", new: str = "") -> str:
        text = re.sub(r" *#.*", "", CONFIG.read_text())
        assert old in text
        (tmp_path / "config.yaml").write_text(text.replace(old, new, 1))
        parser = model_parser(prog="qlit")
        parser.add_argument("--config", action="config")
        for name in ("trainer", "tracking", "seed_everything"):
            parser.add_argument(f"--{name}", type=Any)
        with pytest.raises(UsageError) as error, readable_errors():
            parser.parse_args(["--config", "config.yaml", *options])
        sentence = str(error.value)
        assert "\n" not in sentence
        assert "Namespace" not in sentence
        return sentence

    return parse


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "num_reuploads: 4",
            "num_reupload: 4",
            "unknown key 'num_reupload' in model.head.pqc; did you mean 'num_reuploads'?",
        ),
        (
            "num_layers: 2",
            "num_layer: 2",
            "unknown key 'num_layer' in model.head.encoder; did you mean 'num_layers'?",
        ),
        ("batch_size: 16", "batchsize: 16", "unknown key 'batchsize' in data; did you mean 'batch_size'?"),
        ("lr_decay: 1.0", "lr_decya: 1.0", "unknown key 'lr_decya' in model; did you mean 'lr_decay'?"),
        ("lr_decay: 1.0", "zzz: 1.0", "unknown key 'zzz' in model"),
        ("\ndata:", "\ndate:", "unknown key 'date.source'; did you mean 'data.source'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest_right_one(said, old, new, sentence):
    assert said(old=old, new=new) == sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data.batchsize", "8"], "unknown option --data.batchsize; did you mean '--data.batch_size'?"),
        (["--data.batchsize=8"], "unknown option --data.batchsize; did you mean '--data.batch_size'?"),
        (["--model.weight_dcay", "0"], "unknown option --model.weight_dcay; did you mean '--model.weight_decay'?"),
        (["--xyzzy"], "unknown option --xyzzy"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_right_one(said, options, sentence):
    assert said(*options) == sentence


def test_a_misplaced_key_is_not_suggested_for_itself(said):
    assert "did you mean '--data.batch_size'?" in said("--batch_size", "8")
    assert "did you mean 'batch_size'?" not in said(old="lr_decay: 1.0", new="batch_size: 16")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("  lr: 2.5e-3", "  lr: fast", ["model.lr must be float, but got fast"]),
        ("batch_size: 16", "batch_size: many", ["data.batch_size must be int, but got many"]),
        (
            "pqc:\n        num_qubits: 10",
            "pqc:\n        num_qubits: ten",
            ["model.head.pqc.num_qubits must be int, but got ten"],
        ),
        ("num_qubits: 10", "num_qubits: ten", ["model.head.encoder.num_qubits must be int, but got ten"]),
        (
            "sampler: gaussian",
            "sampler: gauss",
            ["pqc.sampler must be one of 'gaussian', 'multinomial', 'device', but got gauss"],
        ),
        ("shots: 8192", "shots: some", ["model.head.pqc.shots must be int or null, but got some"]),
        ("p1: 0.0", "p1: little", ["model.head.pqc.noise.p1 must be float, but got little"]),
        (
            "heads.HybridHead",
            "heads.HybridHat",
            ["model.head names 'qlit.heads.HybridHat', which is not there", "no attribute 'HybridHat'"],
        ),
        ("pqc:\n        num_qubits: 10", "pqc:", ["model.head.pqc lacks num_qubits, which must be given"]),
        ("  lr: 2.5e-3", "  lr: [1", ["config.yaml is not YAML: did not find expected ',' or ']' in line "]),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(said, old, new, parts):
    sentence = said(old=old, new=new)
    for part in parts:
        assert part in sentence


def test_a_missing_config_file_is_named(said, tmp_path):
    assert said("--config", "gone.yaml") == f"\"config\": File does not exist: '{tmp_path}/gone.yaml'"
    assert said("--config") == "argument --config: expected one argument"


def test_the_config_in_a_checkpoint_is_enough():
    module, data = model_of_config(CONFIG.read_text())
    assert module.head.num_classes == 2
    assert (data.body_name, data.batch_size) == ("sentence-transformers/paraphrase-mpnet-base-v2", 16)
    with pytest.raises(UsageError, match=re.escape("unknown key 'shot' in model.head.pqc; did you mean 'shots'?")):
        model_of_config(CONFIG.read_text().replace("shots:", "shot:"))


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], None),
        (["--ckpt_path"], None),
        (["--ckpt_path", "a"], "a"),
        (["--ckpt_path=a=b"], "a=b"),
        (["--ckpt_path", "a", "--x", "y", "--ckpt_path=c"], "c"),
        (["--ckpt_paths", "a"], None),
    ],
)
def test_the_last_value_of_an_option_counts(arguments, value):
    assert value_of("--ckpt_path", arguments) == value


@pytest.mark.parametrize("option", [["--model.head.pqc.shots", "null"], ["--model.head.pqc.shots=null"]])
def test_a_key_of_a_nested_class_can_be_null(option):
    parser = model_parser(prog="qlit")
    parser.add_argument("--config", action="config")
    for name in ("trainer", "tracking", "seed_everything"):
        parser.add_argument(f"--{name}", type=Any)
    arguments = ["--config", str(CONFIG), *option, "--model.head.pqc.connectivity", "2"]
    pqc = parser.parse_args(with_nulls(arguments)).model.head.init_args.pqc
    assert (pqc.shots, pqc.connectivity, pqc.num_qubits) == (None, 2, 10)
