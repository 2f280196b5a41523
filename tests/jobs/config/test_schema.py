"""The JSON schema of configs, with a validator that editors use the rules of."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from qlit.cli import main
from qlit.jobs.config.schema import config_schema

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
FITS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if path.parent.name not in ("studies", "tables", "slurm")]


@pytest.fixture(scope="module")
def validator():
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def quickstart():
    return yaml.safe_load((CONFIGS / "quickstart.yaml").read_text())


@pytest.mark.parametrize("path", FITS, ids=lambda path: path.stem)
def test_every_config_of_qlit_has_the_schema(validator, path):
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def changed(*keys, value):
    config = quickstart()
    place = config
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return config


HEAD = ("model", "head", "init_args")


@pytest.mark.parametrize(
    "config",
    [
        changed("modle", value={}),
        changed("data", "sorce", value="x"),
        changed("data", "seed", value="three"),
        changed("data", "splits", value="few"),
        changed("model", "lr", value="fast"),
        changed(*HEAD, "pqc", "num_qubit", value=3),
        changed(*HEAD, "pqc", "shots", value="many"),
        changed(*HEAD, "pqc", "sampler", value="gauss"),
        changed(*HEAD, "pqc", value={"class_path": "qlit.heads.AnsatzPQC", "init_args": {"ansats": ["h 0"]}}),
        changed(*HEAD, "encoder", "init_args", "connectivty", value=3),
        changed("model", "head", "class_path", value="HybridHea d"),
        changed("trainer", "max_epochs", value="ten"),
    ],
)
def test_unknown_keys_and_wrong_types_are_marked(validator, config):
    assert not validator.is_valid(config)


@pytest.mark.parametrize(
    "config",
    [
        changed("model", "head", value={"class_path": "my_heads.OwnHead", "init_args": {"width": 3}}),
        changed(*HEAD, "pqc", "shots", value=None),
        changed(*HEAD, "encoder", value={"class_path": "my.Encoder"}),
        changed("trainer", "callbacks", value=[{"class_path": "lightning.pytorch.callbacks.EarlyStopping"}]),
        changed("seed_everything", value=False),
    ],
)
def test_classes_of_the_user_and_lightnings_keys_are_accepted(validator, config):
    assert [error.message for error in validator.iter_errors(config)] == []


def test_keys_have_meaning_and_default(validator):
    data = validator.schema["properties"]["data"]["properties"]
    assert all(each["description"] for each in data.values())
    assert data["batch_size"]["default"] == 16
    assert data["splits"]["enum"] == ["few_shot", "given"]


def test_the_command_prints_the_schema(capsys):
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == config_schema()
    assert main(["config", "schema", "svc"]) == 2
    assert "schema takes no names" in capsys.readouterr().err


def test_pqcs_of_other_classes_are_accepted(validator):
    for name, given in (
        ("qlit.heads.AnsatzPQC", {"num_qubits": 2, "ansatz": ["h 0", "rx 1"], "measured_wires": "auto"}),
        ("qlit.heads.QNodePQC", {"num_qubits": 6, "qnode": "my.node", "weight_shapes": {"weights": [2, 6, 3]}}),
        ("my_pqc.CosinePQC", {"anything": 3}),
    ):
        config = changed(*HEAD, "pqc", value={"class_path": name, "init_args": given})
        assert [error.message for error in validator.iter_errors(config)] == []
