import os
import subprocess
import sys

import psutil
import pytest
import torch

from qlit.circuits import Circuit, ansatz, encoder_circuit, reuploading_circuit, ry
from qlit.engines import TorchEngine, engine_by_name, fusion

MEASURE_PEAK = """
import re, sys, torch
from qlit.circuits import ansatz
from qlit.engines import TorchEngine
torch.set_num_threads(1)
circuit = ansatz(14, 3, int(sys.argv[1]))
theta = torch.zeros(circuit.num_parameters, requires_grad=True)
state = torch.nn.functional.normalize(torch.ones(64, 2**14)).requires_grad_()
for _ in range(2):
    TorchEngine().expectation(circuit, theta, state=state, wires=[0]).sum().backward()
# Not ru_maxrss, in which a process starts with the peak of its parent.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""


def test_the_memory_of_a_step_does_not_grow_with_the_number_of_layers():
    """A batch of states is 4 MiB here; autograd through 16 layers would keep about 700 of them."""
    # Freed tensors go back to the system at once and do not count.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144"}
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", MEASURE_PEAK, layers], env=environment))
        for layers in ("1", "16")
    ]
    assert peaks[1] - peaks[0] < 3 * 4 * 2**20


def test_every_gate_is_in_the_plan_once_and_in_an_order_that_commutes_to_the_circuits():
    for circuit in (encoder_circuit(10), reuploading_circuit(9, 4, 2, 1, 1), ansatz(7, 6, 1)):
        chunks = fusion.plan(circuit).chunks
        factors = [
            factor
            for chunk in chunks
            for step in chunk.steps
            for factor in (chunk.angle_groups if step.per_sample else chunk.parameter_groups).groups[step.index].factors
        ]
        for wire in range(circuit.num_qubits):
            planned = [f.slot for f in factors if wire in f.wires]
            given = [
                (gate.parameter if gate.angle is None else gate.angle)
                for k, gate in enumerate(circuit.gates)
                if gate.kind == "ry"
                and wire
                in {gate.wires[0], *(circuit.gates[k - 1].wires if circuit.gates[k - 1].kind == "cnot" else ())}
            ]
            assert planned == given


def test_a_repeated_block_needs_its_matrices_once():
    (chunk,) = fusion.plan(reuploading_circuit(10, 4, 2, 1, 1)).chunks
    assert len(chunk.angle_groups.groups) == len([step for step in chunk.steps if step.per_sample]) / 4
    assert len(chunk.parameter_groups.groups) < len([step for step in chunk.steps if not step.per_sample]) / 2


def test_autocast_does_not_touch_amplitudes():
    circuit = ansatz(4, 1, 1)
    theta = torch.linspace(0, 3, circuit.num_parameters)
    exact = TorchEngine().expectation(circuit, theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(TorchEngine().probabilities(circuit, theta).sum(), torch.ones(()))
        assert torch.equal(TorchEngine().expectation(circuit, theta), exact)


def test_engines_by_name():
    for name in ("auto", "native", "reference", "torch"):
        assert engine_by_name(name).name == name
    with pytest.raises(ValueError, match=r"no engine 'qpu'; there are: auto, cuda, density_matrix, native, .* your"):
        engine_by_name("qpu")


EVALUATE_THEN_FIT = """
import torch
from qlit.circuits import ansatz
from qlit.engines import TorchEngine
circuit = ansatz(3, 1, 1)
theta = torch.zeros(circuit.num_parameters, requires_grad=True)
with torch.inference_mode():  # as Lightning's validate and test
    TorchEngine().expectation(circuit, theta)
TorchEngine().expectation(circuit, theta).sum().backward()
"""


def test_an_evaluation_may_come_before_a_fit():
    """In a process of its own: what engines keep must not have been made by another test."""
    done = subprocess.run([sys.executable, "-c", EVALUATE_THEN_FIT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_states_that_memory_does_not_hold_are_refused_before_they_are_made(monkeypatch):
    class Full:
        available = 100 * 2**20

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    with pytest.raises(ValueError, match=r"The statevectors of a batch of 64 need 0\.5 GiB, but 0\.1 GiB are free\."):
        TorchEngine().expectation(Circuit(20, (ry(0, angle=0),)), torch.zeros(0), angles=torch.zeros(64, 1))
