"""Programs are read back by Qiskit, which shares nothing with what wrote them."""

import numpy as np
import pytest
import torch
from engines.cases import CIRCUITS, GENERAL_CIRCUITS, random_inputs
from reading_openqasm import expectation_values

from qlit.circuits import Circuit, crz, cz, h, rx, ry
from qlit.circuits.openqasm import to_openqasm
from qlit.engines import AutoEngine

_ALL = CIRCUITS | GENERAL_CIRCUITS


@pytest.mark.parametrize("with_state", [True, False], ids=["state", "zero state"])
@pytest.mark.parametrize("circuit", _ALL.values(), ids=_ALL.keys())
def test_a_program_read_back_has_the_engines_expectation_values(circuit, with_state):
    inputs = random_inputs(circuit, 1, dtype=torch.float64, with_state=with_state)
    wires = list(range(circuit.num_qubits))[::-1]
    with torch.no_grad():
        expected = AutoEngine().expectation(
            circuit, inputs.parameters, angles=inputs.angles, state=inputs.state, wires=wires
        )
    program = to_openqasm(
        circuit,
        inputs.parameters.tolist(),
        angles_A=() if inputs.angles is None else inputs.angles[0].tolist(),
        state_N=None if inputs.state is None else inputs.state[0].detach().numpy(),
        wires=wires,
    )
    np.testing.assert_allclose(expectation_values(program), expected[0].numpy(), rtol=0, atol=1e-10)


def test_a_program_is_plain():
    program = to_openqasm(CIRCUITS["one RY"], [-1e-9], comment="one RY\n\nof one wire")
    assert program.splitlines() == [
        "// one RY",
        "//",
        "// of one wire",
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        "qubit[1] q;",
        "bit[1] c;",
        "ry(-1e-09) q[0];",
        "c[0] = measure q[0];",
    ]
    assert expectation_values(program) == [1.0]


def test_other_gates_have_the_names_of_stdgates():
    circuit = Circuit(2, (h(0), rx(0, value=0.5), crz(0, 1, angle=0), cz(1, 0), rx(1, parameter=0)))
    lines = to_openqasm(circuit, [0.25], angles_A=[-1.0]).splitlines()
    assert lines[4:-2] == [
        "h q[0];",
        "rx(0.5) q[0];",
        "crz(-1.0) q[0], q[1]; // angle 0",
        "cz q[1], q[0];",
        "rx(0.25) q[1];",
    ]


@pytest.mark.parametrize(
    ("parameters", "options", "sentence"),
    [
        ([], {}, "reads 1 parameters, but 0 were given"),
        ([0.0], {"angles_A": [0.0]}, "reads 0 angles, but 1 were given"),
        ([float("nan")], {}, "finite numbers, but the parameters hold another"),
        ([0.0], {"wires": [1]}, r"distinct and in 0 .. 0, but got \[1\]"),
        ([0.0], {"wires": [0, 0]}, "must be distinct"),
        ([0.0], {"state_N": [1.0]}, "`state_N` must have 2 amplitudes, but has 1"),
    ],
)
def test_what_does_not_fit_is_refused(parameters, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_openqasm(Circuit(1, (ry(0, parameter=0),)), parameters, **options)
