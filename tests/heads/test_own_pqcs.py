"""PQCs of users in a hybrid head: any torch module, a circuit, a PennyLane QNode."""

import copy
import pickle
import textwrap
from functools import partial

import pytest
import torch
from torch import nn

from qlit.circuits import circuit_of
from qlit.engines import ReferenceEngine
from qlit.heads import (
    AnsatzPQC,
    GateNoise,
    HybridHead,
    NeuralEncoder,
    QNodePQC,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)
from qlit.heads.programs import programs_of

ENCODER = partial(NeuralEncoder, num_features=8, num_hidden_layers=0, hidden_dim=0)

_CIRCUITS = """
import numpy as np
import pennylane as qml
from qlit.circuits import Circuit, cnot, crz, h, rx, ry

def mine(num_qubits: int) -> Circuit:
    gates = [h(wire) for wire in range(num_qubits)]
    gates += [crz(wire, wire + 1, parameter=wire) for wire in range(num_qubits - 1)]
    return Circuit(num_qubits, (*gates, rx(0, parameter=num_qubits - 1)))

def encoding(num_qubits: int) -> Circuit:
    return Circuit(num_qubits, tuple(rx(w, angle=w) for w in range(num_qubits)) + (ry(0, parameter=0), cnot(0, 1)))

def one_angle(num_qubits: int) -> Circuit:
    return Circuit(num_qubits, (rx(0, angle=0),))

def wide(num_qubits: int) -> Circuit:
    return Circuit(num_qubits + 1, ())

def failing(num_qubits: int) -> Circuit:
    raise RuntimeError("no such circuit")

def lying(num_qubits: int) -> Circuit:
    return 3

def silent(num_qubits):
    return Circuit(num_qubits, ())

device = qml.device("default.qubit", wires=3)

@qml.qnode(device)
def node(angles, weights):
    qml.AngleEmbedding(angles, wires=range(3))
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return [qml.expval(qml.Z(wire)) for wire in range(2)]

@qml.qnode(device)
def single(angles, bias, scale):
    for wire in range(3):
        qml.RX(scale * angles[..., wire] + bias[wire], wires=wire)
    return qml.expval(qml.Z(0) @ qml.Z(1))

@qml.qnode(device)
def transposed(angles, weights):
    for wire in range(3):
        qml.RX(angles[wire], wires=wire)
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return qml.expval(qml.Z(0))

@qml.qnode(device, interface="numpy")
def numpy_node(angles):
    return 1 + np.pi

@qml.qnode(device)
def sampled(angles, weights):
    qml.AngleEmbedding(angles, wires=range(3))
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return qml.expval(qml.Z(0))

sampled = qml.set_shots(sampled, 500)

@qml.qnode(qml.device("lightning.qubit", wires=3), diff_method="adjoint")
def by_adjoint(angles, weights):
    qml.AngleEmbedding(angles, wires=range(3))
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return [qml.expval(qml.Z(wire)) for wire in range(2)]

@qml.qnode(device, interface="numpy")
def untrainable(angles, weights):
    qml.AngleEmbedding(angles.numpy(), wires=range(3))
    return qml.expval(qml.Z(0))

@qml.qnode(device)
def constant(angles, weights):
    qml.Hadamard(0)
    return qml.expval(qml.Z(0))

def made() -> qml.QNode:
    return node

def unannotated():
    return node

def not_made() -> qml.QNode:
    return 3
"""
WEIGHTS = {"weights": [2, 3, 3]}


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "circuits_of_a_user.py").write_text(textwrap.dedent(_CIRCUITS))
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)


class Mixed(nn.Module):
    def __init__(self, num_qubits=4, num_outputs=2, change=lambda values: values):
        super().__init__()
        self.num_qubits, self.num_outputs, self.change = num_qubits, num_outputs, change
        self.mix = nn.Linear(num_qubits, num_outputs)
        self.norm = nn.BatchNorm1d(num_qubits)
        self.modes = []

    def forward(self, angles):
        self.modes.append(self.training)
        return self.change(torch.cos(self.mix(self.norm(angles))))


def embeddings(batch_size=5):
    return torch.randn(batch_size, 8, generator=torch.Generator().manual_seed(1))


def trained_parts(head):
    head(embeddings()).square().sum().backward()
    return {name for name, each in head.named_parameters() if each.grad is not None and each.grad.abs().sum() > 0}


# --- any torch module ---


@pytest.mark.parametrize("num_classes", [2, 3])
def test_any_torch_module_that_follows_the_protocol_is_a_pqc(num_classes):
    head = HybridHead(ENCODER, Mixed(num_outputs=3), num_classes=num_classes)
    assert head(embeddings()).shape == (5, 1 if num_classes == 2 else 3)
    assert {"pqc.mix.weight", "encoder.network.0.weight", "linear.weight"} <= trained_parts(head) | {
        "encoder.network.0.weight"
    }
    assert head.randomness == ""
    head.make_exact()
    head.seed_shots(0, 0, 5)
    head.seed_rows([1] * 5)


def test_trying_a_pqc_changes_neither_its_statistics_nor_random_numbers():
    def made():
        torch.manual_seed(3)
        return Mixed(), torch.rand(())

    alone, number = made()
    torch.manual_seed(3)
    tried = Mixed(change=lambda values: values + 0 * torch.rand(()))
    HybridHead(ENCODER, tried)
    torch.manual_seed(3)
    Mixed()
    assert torch.rand(()) == number
    assert tried.modes == [False]
    assert tried.training
    assert torch.equal(tried.norm.running_mean, alone.norm.running_mean)


@pytest.mark.parametrize(
    ("pqc", "sentence"),
    [
        (lambda: nn.Linear(3, 3), "attributes `num_qubits` .* but Linear has no `num_qubits`"),
        (
            lambda: Mixed(num_outputs=2, change=lambda z: z[:, :1]),
            r"returned shape \(2, 1\) for angles of shape \(2, 4\)",
        ),
        (lambda: Mixed(num_outputs=3, change=lambda z: z.T), r"returned shape \(3, 2\) .* must be \(2, 3\)"),
        (lambda: Mixed(change=lambda z: z.double()), "returned torch.float64 for angles of torch.float32"),
        (lambda: Mixed(change=lambda z: z.tolist()), r"must return a tensor of shape \(2, 2\), but returned a list"),
        (lambda: Mixed(change=lambda _: 1 / 0), "failed on angles of zero, .*: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_does_not_follow_the_protocol_is_refused_before_any_training(pqc, sentence):
    with pytest.raises(ValueError, match=sentence):
        HybridHead(ENCODER, pqc())


@pytest.mark.parametrize("value", [0, True, "4", None])
def test_numbers_of_the_protocol_are_checked(value):
    module = Mixed()
    module.num_outputs = value
    with pytest.raises(ValueError, match=f"but Mixed has num_outputs={value!r}"):
        HybridHead(ENCODER, module)


def test_values_outside_of_an_expectation_value_are_refused_without_a_linear_layer():
    head = HybridHead(ENCODER, Mixed(num_outputs=1, change=lambda z: 5 * z), final_linear=False)
    with pytest.raises(ValueError, match=r"must return expectation values in -1 .. 1, but Mixed returned others"):
        head(embeddings())
    with pytest.raises(ValueError, match=r"need 1 measured wires, but got 2\. Set the PQC's `num_outputs`"):
        HybridHead(ENCODER, Mixed(), final_linear=False)


def test_an_output_that_changes_its_shape_is_refused_later():
    head = HybridHead(ENCODER, Mixed(change=lambda z: z if len(z) == 2 else z[:1]))
    with pytest.raises(ValueError, match=r"Mixed returned shape \(1, 2\) for angles of shape \(5, 4\)"):
        head(embeddings())


def test_a_pqc_that_draws_without_a_way_to_be_exact_is_refused():
    module = Mixed()
    module.seed_shots = lambda *_: None
    with pytest.raises(ValueError, match="Mixed draws random numbers, but has no `make_exact`"):
        HybridHead(ENCODER, module).make_exact()


# --- measured wires ---


@pytest.mark.parametrize(("num_classes", "wires"), [(2, (0,)), (3, (0, 1, 2)), (4, (0, 1, 2, 3))])
@pytest.mark.parametrize("register", ["measured", "full"])
def test_auto_measures_one_wire_per_logit(num_classes, wires, register):
    options = {"num_reuploads": 1, "register": register}
    torch.manual_seed(0)
    auto = HybridHead(ENCODER, ReuploadingPQC(4, measured_wires="auto", **options), num_classes=num_classes)
    assert auto.pqc.measured_wires == wires
    assert auto.pqc.measured == ", ".join(map(str, wires)) + " (auto: one per logit)"
    assert auto.remark == ""
    torch.manual_seed(0)
    listed = HybridHead(ENCODER, ReuploadingPQC(4, measured_wires=wires, **options), num_classes=num_classes)
    for head in (auto, listed):
        head.seed_shots(5, 0, 5)
    assert torch.equal(auto(embeddings()), listed(embeddings()))


def test_too_few_qubits_for_the_classes_are_refused():
    with pytest.raises(
        ValueError, match="one wire for each of 6 classes, but the PQC has num_qubits=4: raise `num_qubits`"
    ):
        HybridHead(ENCODER, ReuploadingPQC(4, measured_wires="auto"), num_classes=6)


@pytest.mark.parametrize(
    ("pqc", "num_classes", "remark"),
    [
        (lambda: ReuploadingPQC(4), 2, ""),
        (lambda: ReuploadingPQC(4, measured_wires=[0, 2, 1]), 3, ""),
        (
            lambda: ReuploadingPQC(4),
            6,
            "The logits of 6 classes are computed from 1 expectation value, which separates few of them: to measure "
            "one per class, set the PQC's `measured_wires: auto`.",
        ),
        (
            lambda: Mixed(num_outputs=2),
            3,
            "The logits of 3 classes are computed from 2 expectation values, which separates few of them: to measure "
            "one per class, raise `num_outputs`.",
        ),
    ],
)
def test_fewer_measured_wires_than_classes_are_remarked_in_one_sentence(pqc, num_classes, remark):
    assert HybridHead(ENCODER, pqc(), num_classes=num_classes).remark == remark


# --- a circuit ---

LIST = ["h 0", "rx 0 x0", "rx 1 x1", "crz 0 1", "ry 1"]


def test_an_ansatz_is_a_function_or_a_list_of_gates():
    by_function = AnsatzPQC(3, "circuits_of_a_user.mine", shots=None)
    assert [gate.kind for gate in by_function.circuit] == ["ry"] * 3 + ["h"] * 3 + ["crz"] * 2 + ["rx"]
    by_list = AnsatzPQC(2, LIST, shots=None)
    assert by_list.circuit == circuit_of(2, LIST)  # it encodes the angles itself
    assert by_list(torch.zeros(3, 2)).shape == (3, 1)


def test_every_repetition_has_its_own_parameters_behind_an_encoding():
    pqc = AnsatzPQC(3, "circuits_of_a_user.mine", num_reuploads=3)
    assert pqc.theta.shape == (9,)
    assert [gate.angle for gate in pqc.circuit if gate.angle is not None] == [0, 1, 2] * 3
    own = AnsatzPQC(3, "circuits_of_a_user.encoding", num_reuploads=2)
    assert own.theta.shape == (2,)
    assert [gate.kind for gate in own.circuit].count("rx") == 6


@pytest.mark.parametrize("engine", ["auto", "torch", "reference", "density_matrix", "pennylane:default.qubit"])
def test_values_and_gradients_in_a_head_are_those_of_the_dense_twin(engine):
    torch.manual_seed(0)
    pqc = AnsatzPQC(3, "circuits_of_a_user.mine", num_reuploads=2, shots=None, init_std=1.0, engine=engine)
    head = HybridHead(partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0), pqc).double()
    logits = head(embeddings().double())
    gradients = torch.autograd.grad(logits.sum(), list(head.parameters()))
    pqc.engine = head.encoder.engine = ReferenceEngine()
    twin = head(embeddings().double())
    torch.testing.assert_close(logits, twin, rtol=0, atol=1e-10)
    for mine, theirs in zip(gradients, torch.autograd.grad(twin.sum(), list(head.parameters())), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "gaussian"},
        {"sampler": "device", "engine": "pennylane:default.qubit"},
        {"noise": GateNoise(p1=0.01, p2=0.05)},
        {"noise": GateNoise(p1=0.01, p2=0.05, training="injection")},
        {"noise": GateNoise(p1=0.01, p2=0.05, training="density_matrix"), "shots": None},
    ],
    ids=str,
)
def test_shots_and_gate_noise_run_with_any_ansatz(options):
    pqc = AnsatzPQC(2, LIST, **({"shots": 1000} | options))
    head = HybridHead(ENCODER, pqc)
    assert "pqc.theta" in trained_parts(head)
    head.eval()
    assert head(embeddings()).isfinite().all()


def test_a_head_with_an_ansatz_is_exported():
    torch.manual_seed(0)
    head = HybridHead(ENCODER, AnsatzPQC(2, LIST, init_std=1.0), num_classes=2)
    found = programs_of(head, embeddings()[0])
    program = found.pqc.openqasm("")
    assert "crz(" in program
    assert "h q[0];" in program
    with pytest.raises(
        ValueError, match=r"Only PQCs with a circuit of qlit .* have .* programs, but this one is a Mixed"
    ):
        programs_of(HybridHead(ENCODER, Mixed()), embeddings()[0])


@pytest.mark.parametrize(
    ("ansatz", "sentence"),
    [
        ("circuits_of_a_user.nine", r"has no 'nine', which .* as an ansatz; did you mean 'mine'\?"),
        ("circuits_of_nobody.mine", "There is no module 'circuits_of_nobody'"),
        (
            "circuits_of_a_user.silent",
            r"annotated to return a Circuit of qlit.circuits, `def silent\(num_qubits: int\)",
        ),
        ("shutil.rmtree", "annotated to return a Circuit"),
        ("circuits_of_a_user.failing", "failed for num_qubits=2: no such circuit"),
        ("circuits_of_a_user.lying", "must return a Circuit of 2 qubits, but returned a int"),
        ("circuits_of_a_user.wide", "must return a Circuit of 2 qubits, but returned a circuit of 3"),
        ("circuits_of_a_user.one_angle", "reads all 2 input angles or none, but this one reads 1"),
        (["foo 0"], "there is no gate 'foo'"),
    ],
)
def test_what_is_no_ansatz_is_refused_in_one_sentence(ansatz, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        AnsatzPQC(2, ansatz)
    assert "\n" not in str(error.value)


def test_numbers_of_an_ansatz_are_checked():
    for options, sentence in (({"num_qubits": 0}, "1 <= num_qubits"), ({"num_reuploads": 0}, "`num_reuploads >= 1`")):
        with pytest.raises(ValueError, match=sentence):
            AnsatzPQC(**({"num_qubits": 2, "ansatz": LIST} | options))
    with pytest.raises(ValueError, match="A circuit may have 200,000 gates"):
        AnsatzPQC(2, LIST, num_reuploads=10**6)
    with pytest.raises(
        ValueError, match="Engine 'native' runs RY, CNOT, X and Z in real arithmetic, but the circuit has H"
    ):
        AnsatzPQC(2, LIST, engine="native")


# --- a QNode ---


@pytest.mark.parametrize("path", ["circuits_of_a_user.node", "circuits_of_a_user.made"])
def test_a_qnode_trains_in_a_head(path):
    pqc = QNodePQC(3, path, WEIGHTS, num_outputs=2)
    head = HybridHead(ENCODER, pqc)
    assert {"pqc.weights.weights", "linear.weight"} <= trained_parts(head)
    assert pqc.weights["weights"].shape == (2, 3, 3)
    assert head(embeddings()).dtype == torch.float32
    assert head(embeddings(0)).shape == (0, 1)
    assert head.double()(embeddings().double()).dtype == torch.float64
    head.make_exact()


def test_values_are_those_of_the_qnode_for_every_sample():
    pqc = QNodePQC(3, "circuits_of_a_user.node", WEIGHTS, num_outputs=2, init_std=1.0).double()
    angles = torch.randn(4, 3, dtype=torch.float64)
    together = pqc(angles)
    for k in range(4):
        torch.testing.assert_close(pqc(angles[k : k + 1])[0], together[k])
    assert (together.abs() <= 1).all()


def test_gradients_by_the_adjoint_method_and_by_backpropagation_agree():
    results = []
    for name in ("by_adjoint", "node"):
        torch.manual_seed(0)
        pqc = QNodePQC(3, f"circuits_of_a_user.{name}", WEIGHTS, num_outputs=2, init_std=1.0).double()
        angles = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(4, 3).requires_grad_()
        values = pqc(angles)
        results.append((values, *torch.autograd.grad(values.square().sum(), [angles, pqc.weights["weights"]])))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)  # PennyLane rounds such gradients to float32


def test_several_weights_and_one_value():
    pqc = QNodePQC(3, "circuits_of_a_user.single", {"bias": 3, "scale": 1})
    assert pqc(torch.zeros(5, 3)).shape == (5, 1)
    assert {name: tuple(each.shape) for name, each in pqc.weights.items()} == {"bias": (3,), "scale": (1,)}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_and_pickles_have_the_same_values(duplicate):
    pqc = QNodePQC(3, "circuits_of_a_user.made", WEIGHTS, num_outputs=2)
    torch.testing.assert_close(duplicate(pqc)(torch.ones(2, 3)), pqc(torch.ones(2, 3)))


def test_shots_of_a_qnode_are_told_and_cannot_be_made_exact():
    pqc = QNodePQC(3, "circuits_of_a_user.sampled", WEIGHTS)
    head = HybridHead(ENCODER, pqc)
    assert head.randomness == "500 shots without a seed"
    assert "pqc.weights.weights" in trained_parts(head)
    with pytest.raises(ValueError, match="measures with shots: leave out --exact"):
        head.make_exact()


@pytest.mark.parametrize(
    ("path", "options", "sentence"),
    [
        ("circuits_of_a_user.node", {"num_outputs": 3}, r"returned shape \(2, 2\) .* must be \(2, 3\)"),
        ("circuits_of_a_user.node", {"num_outputs": 1}, r"The QNode .* so the shape must be \(2, 1\)"),
        (
            "circuits_of_a_user.transposed",
            {},
            r"read angle k as `angles\[..., k\]`, because angles come as a batch|failed",
        ),
        ("circuits_of_a_user.node", {"weight_shapes": {}}, r"must name weights, but names nothing"),
        ("circuits_of_a_user.node", {"weight_shapes": {"weight": 3}}, "must name weights, but names weight"),
        ("circuits_of_a_user.node", {"weight_shapes": WEIGHTS | {"angles": 2}}, "must name weights, but"),
        ("circuits_of_a_user.node", {"weight_shapes": {"weights": [2, 0, 3]}}, "sizes of at least 1"),
        ("circuits_of_a_user.node", {"weight_shapes": {"weights": [2, 4, 3]}}, "failed on angles of zero"),
        ("circuits_of_a_user.node", {"num_qubits": 4}, "failed on angles of zero"),
        ("circuits_of_a_user.node", {"num_outputs": 0}, "`num_outputs >= 1` must hold"),
        ("circuits_of_a_user.numpy_node", {"weight_shapes": {}}, "failed on angles of zero"),
        ("circuits_of_a_user.untrainable", {}, r"must return a tensor of shape \(2, 1\), but returned a ndarray"),
        ("circuits_of_a_user.constant", {}, r"must return a tensor of shape \(2, 1\), but returned a"),
        ("circuits_of_a_user.unannotated", {}, r"annotated to return one, `def unannotated\(\) -> qml.QNode`"),
        ("circuits_of_a_user.not_made", {}, "must return a PennyLane QNode, but returned a int"),
        ("circuits_of_a_user.knot", {}, "has no 'knot'"),
        ("nobody.node", {}, "There is no module 'nobody'"),
    ],
)
def test_a_qnode_that_does_not_fit_is_refused_in_one_sentence_before_any_training(path, options, sentence):
    given = {"num_qubits": 3, "weight_shapes": WEIGHTS, "num_outputs": 1} | options
    with pytest.raises(ValueError, match=sentence) as error:
        QNodePQC(qnode=path, **given)
    assert "\n" not in str(error.value)
