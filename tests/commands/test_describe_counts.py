"""`qlit describe` prints the published parameter counts (arXiv:2504.08732, Tables II and III), row by row."""

import json

import pytest
from commands.runs import ROOT
from published import PARAMETERS, published_file, row_name

from qlit.cli import main


def _neural(row, place):
    return [f"--{place}.num_hidden_layers", str(row["hidden_layers"]), f"--{place}.hidden_dim", str(row["hidden_dim"])]


# The config and the options that give a row of the paper's tables.
OPTIONS = {
    "single_sqe": lambda row: [
        "single_sqe.yaml",
        *("--model.head.encoder.num_qubits", str(row["qubits"]), "--model.head.pqc.num_qubits", str(row["qubits"])),
    ],
    "multi_sqe": lambda row: ["multi_sqe.yaml", "--model.head.pqc.num_qubits", str(row["qubits"])],
    "logistic_regression": lambda _: ["baselines/logistic_regression.yaml"],
    "nn_head": lambda row: ["baselines/neural_head.yaml", *_neural(row, "model.head")],
    "nn_encoder": lambda row: ["ablations/neural_encoder.yaml", *_neural(row, "model.head.encoder")],
}


@pytest.fixture
def facts(capsys):
    def run(config: str, *options: str) -> dict:
        command = ["describe", "--config", str(ROOT / "configs" / config), "--no_timing", "--json", *options]
        assert main(command) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out)

    return run


@pytest.mark.parametrize("row", PARAMETERS, ids=row_name)
def test_every_row_of_the_tables_has_the_published_count(facts, row):
    assert facts(*OPTIONS[row["model"]](row))["parameters"]["total"] == row["parameters"]


def test_the_counts_are_those_of_the_published_file():
    tables = published_file()
    rows = [row for table in ("table_II", "table_III") for row in tables[table]]
    told = [{key: value for key, value in row.items() if key != "accuracy"} for row in rows]
    assert [row for row in PARAMETERS if row not in told] == []
    assert {row["model"] for row in told if row not in PARAMETERS} == {"svc"}


@pytest.mark.parametrize("num_qubits", [10, 18])
def test_a_single_encoder_head_part_by_part(facts, num_qubits):
    found = facts(*OPTIONS["single_sqe"]({"qubits": num_qubits}))
    parts = {"encoder": 28 * num_qubits + 1, "pqc": 7 * num_qubits, "linear": 2}
    assert found["parameters"] == {**parts, "total": sum(parts.values())}
    encoder, pqc = found["circuits"]
    assert (encoder["name"], encoder["num_parameters"]) == ("encoder", 28 * num_qubits)
    assert pqc == {
        "name": "pqc",
        "num_qubits": num_qubits,
        "num_parameters": 7 * num_qubits,
        "one_qubit_gates": 20 * num_qubits,
        "two_qubit_gates": 11 * num_qubits,
        "runs_a_sample": 1,
        "engine": "native",
        "reason": "the fastest engine on CPUs",
    }
    assert found["batch_size"] == 16
    assert found["amplitudes"] == 2 * 16 * 2**num_qubits


@pytest.mark.parametrize("num_qubits", [10, 18])
def test_a_multi_encoder_head_part_by_part(facts, num_qubits):
    found = facts(*OPTIONS["multi_sqe"]({"qubits": num_qubits}))
    *encoders, pqc = found["circuits"]
    assert [(each["name"], each["num_qubits"]) for each in encoders] == [
        ("encoder.encoders.0", 14),
        ("encoder.encoders.1", 14),
    ]
    assert (pqc["one_qubit_gates"], pqc["two_qubit_gates"]) == (20 * num_qubits, 11 * num_qubits)
    assert found["amplitudes"] == 16 * (2 * 2**14 + 2**num_qubits)


def test_an_encoder_is_swapped_by_its_import_path(facts):
    swapped = facts("single_sqe.yaml", "--model.head.encoder", "qlit.heads.NeuralEncoder")
    assert swapped["parameters"] == {"encoder": 768 * 48 + 48 + 48 * 10 + 10, "pqc": 70, "linear": 2, "total": 37474}
    assert [circuit["name"] for circuit in swapped["circuits"]] == ["pqc"]


def test_without_the_final_linear_layer_its_two_parameters_are_gone(facts):
    assert facts("ablations/no_final_linear.yaml")["parameters"] == {"encoder": 393, "pqc": 98, "total": 493 - 2}


def test_a_projection_costs_what_its_config_says(facts):
    parts = {"encoder": 49_216 + 97, "pqc": 42, "linear": 2}
    assert facts("ablations/projection.yaml")["parameters"] == {**parts, "total": 49_357}
