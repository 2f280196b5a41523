"""The circuits of a head at other widths."""

import pytest
from jsonargparse import Namespace

from qlit.circuits import encoder_circuit, reuploading_circuit
from qlit.heads import AnsatzPQC, ReuploadingPQC, SimulatedQuantumEncoder
from qlit.jobs.diagnostics.families import families_of, left_out
from qlit.jobs.estimates.sizes import fill_local_sizes
from qlit.jobs.estimates.training import config_parser, read_config
from qlit.runtime.shipped_configs import find_shipped


def families(config, *options):
    words = ["--config", str(find_shipped(config)), *options]
    parsed, _ = read_config(config_parser("test"), words, fill_sizes=fill_local_sizes)
    return {family.name: family for family in families_of(parsed.model.head)}


def test_the_circuits_of_the_paper_keep_their_settings():
    found = families("single_sqe", "--model.head.pqc.num_reuploads", "3", "--model.head.encoder.num_layers", "1")
    assert {name: family.kind for name, family in found.items()} == {
        "encoder": SimulatedQuantumEncoder,
        "pqc": ReuploadingPQC,
    }
    assert found["encoder"].circuit(12) == encoder_circuit(12, connectivity=9, num_layers=1)
    assert found["encoder"].circuit(4) == encoder_circuit(4, connectivity=3, num_layers=1)
    assert found["pqc"].circuit(5) == reuploading_circuit(5, 3, 2, 1, 1)
    assert "connectivity 9, which needs 10 qubits" in found["encoder"].remark(9)
    assert (found["encoder"].remark(10), found["pqc"].remark(2)) == ("", "")


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ("multi_sqe", ["encoder.encoder", "pqc"]),
        ("ablations/projection", ["encoder.encoder", "pqc"]),
        ("ablations/neural_encoder", ["pqc"]),
    ],
)
def test_circuits_are_found_inside_other_encoders(config, names):
    assert list(families(config)) == names


def test_settings_of_a_device_and_of_shots_do_not_matter():
    options = ["--model.head.pqc.shots", "10", "--model.head.pqc.noise.p1", "0.1", "--model.head.pqc.register", "full"]
    plain, other = families("single_sqe"), families("single_sqe", *options)
    assert other["pqc"].circuit(3) == plain["pqc"].circuit(3)


def test_a_part_without_a_circuit_is_named():
    words = ["--config", str(find_shipped("ablations/neural_encoder"))]
    parsed, _ = read_config(config_parser("test"), words, fill_sizes=fill_local_sizes)
    head = parsed.model.head
    assert left_out(head, families_of(head)) == [
        "The encoder NeuralEncoder is left out, because it is no circuit of qlit."
    ]
    words = ["--config", str(find_shipped("multi_sqe"))]
    parsed, _ = read_config(config_parser("test"), words, fill_sizes=fill_local_sizes)
    assert left_out(parsed.model.head, families_of(parsed.model.head)) == []


def of_ansatz(ansatz):
    settings = {"num_qubits": 2, "ansatz": ansatz, "num_reuploads": 1, "measured_wires": [1]}
    pqc = Namespace(class_path="qlit.heads.AnsatzPQC", init_args=Namespace(**settings))
    head = Namespace(class_path="qlit.heads.HybridHead", init_args=Namespace(pqc=pqc))
    (family,) = families_of(head)
    return family


def test_an_ansatz_as_a_list_of_gates_has_one_width():
    family = of_ansatz(["h 0", "crx 0 1"])
    assert (family.kind, family.wire) == (AnsatzPQC, 1)
    assert family.circuit(2).num_parameters == 1
    with pytest.raises(ValueError, match="list of gates for 2 qubits, which says nothing about 4"):
        family.circuit(4)


def test_a_circuit_without_the_measured_wire_is_refused():
    with pytest.raises(ValueError, match="measures wire 1 first, which one of 1 qubits lacks"):
        of_ansatz("some.path").circuit(1)


@pytest.mark.parametrize("config", ["baselines/neural_head", "baselines/svc"])
def test_a_head_without_a_circuit_is_refused(config):
    with pytest.raises(ValueError, match="has no circuit of qlit to diagnose"):
        families(config)
