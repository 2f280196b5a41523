"""Cost of a head: the memory of a real training step; and measurements leave a head usable."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from data.helpers import environment

from qlit.heads import HybridHead, LinearHead, ReuploadingPQC, SimulatedQuantumEncoder
from qlit.jobs.estimates import measurement
from qlit.jobs.estimates.circuits import circuits_of
from qlit.jobs.estimates.measurement import bytes_per_step, measure

CPU = torch.device("cpu")
HEAD = """
from functools import partial
from qlit.heads import HybridHead, ParallelEncoders, ReuploadingPQC, SimulatedQuantumEncoder
def head(engine, num_qubits, num_encoders):
    encoder = partial(SimulatedQuantumEncoder, num_qubits=num_qubits, connectivity=1, engine=engine)
    encoders = partial(ParallelEncoders, num_encoders=num_encoders, encoder=encoder)
    return HybridHead(encoders, ReuploadingPQC(num_qubits, num_reuploads=1, engine=engine))
"""
MEASURE_STEP = """
import re, sys, torch
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
def step(head, batch_size):
    head.seed_shots(0, 0, batch_size)
    head(torch.ones(batch_size, 8)).sum().backward()
small, large = head(sys.argv[1], 3, 1), head(sys.argv[1], 15, int(sys.argv[2]))
step(small, 2)
before = memory("VmRSS")
step(large, 64)
print(memory("VmHWM") - before)  # not ru_maxrss, in which a process starts with its parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("num_encoders", [1, 3])
@pytest.mark.parametrize(("engine", "states_at_peak"), [("torch", 7), ("native", 1)])
def test_a_training_step_needs_the_estimated_memory(engine, states_at_peak, num_encoders):
    """A batch of states is 8 MiB here; one a circuit is alive, and those that an engine needs at its peak."""
    # With a fixed threshold every block is given back when it is freed; glibc's own moves, and leaves gaps.
    env = environment(MALLOC_MMAP_THRESHOLD_=str(2**20), OMP_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-c", HEAD + MEASURE_STEP, engine, str(num_encoders)],
        env=env,
        check=True,
        capture_output=True,
    )
    names: dict = {}
    exec(HEAD, names)
    told = bytes_per_step(names["head"](engine, 15, num_encoders), 64, CPU)
    assert told == (states_at_peak + 1 + num_encoders) * 64 * 2**15 * 4
    assert 0.7 < int(done.stdout) / told < 1.3  # with few threads, few cotangents are alive at once


@pytest.fixture(autouse=True)
def _little_time(monkeypatch):
    monkeypatch.setattr(measurement, "BUDGET_S", 0.1)


def small_head(**options) -> HybridHead:
    encoder = partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0, **options)
    return HybridHead(encoder, ReuploadingPQC(2, num_reuploads=1))


def test_circuits_are_named_by_their_modules_and_come_with_their_engines():
    found = circuits_of(small_head(engine="reference"), CPU)
    assert [(name, circuit.num_qubits, engine.name) for name, (circuit, engine, _) in found.items()] == [
        ("encoder", 3, "reference"),
        ("pqc", 2, "native"),  # what `auto` takes on a CPU
    ]


def test_the_memory_of_the_dense_twin_is_unknown():
    assert bytes_per_step(small_head(engine="reference"), 4, CPU) is None
    assert bytes_per_step(small_head(engine="torch"), 4, CPU) == (8 * 2**3 + 2**2) * 4 * 4


def test_embeddings_are_as_wide_as_the_narrowest_encoder_takes_and_at_most_as_the_papers():
    options = {"batch_size": 2, "eval_batch_size": 3, "device": torch.device("cpu")}
    assert measure(small_head(), **options).num_features == 8
    wide = HybridHead(partial(SimulatedQuantumEncoder, num_qubits=10, connectivity=1), ReuploadingPQC(2))
    assert measure(wide, **options).num_features == 768


def test_measuring_fits_a_centre_changes_no_parameter_and_leaves_no_gradient():
    head = small_head(center=True)
    before = {name: parameter.detach().clone() for name, parameter in head.named_parameters()}
    found = measure(head, batch_size=4, eval_batch_size=3, device=torch.device("cpu"))
    assert (found.inference_batch_size, found.num_steps >= 1, found.step_s > 0) == (3, True, True)
    assert all(torch.equal(parameter, before[name]) for name, parameter in head.named_parameters())
    assert all(parameter.grad is None for parameter in head.parameters())


@pytest.mark.parametrize(
    ("budget_s", "free", "num_rows"),
    [(1e6, 2**40, 33), (0.0, 2**40, 4), (1e6, 1000, 4), (1e6, 3 * (8 * 2**3 + 2**2) * 4 * 4, 12)],
    ids=["as wanted", "little time", "little memory", "memory for three training batches"],
)
def test_inference_is_timed_on_as_many_rows_as_time_and_memory_allow(monkeypatch, budget_s, free, num_rows):
    monkeypatch.setattr(measurement, "BUDGET_S", budget_s)
    monkeypatch.setattr(measurement, "_MOST_REPEATS", 1)
    monkeypatch.setattr(measurement, "bytes_free", lambda _: free)
    found = measure(small_head(engine="torch"), batch_size=4, eval_batch_size=33, device=torch.device("cpu"))
    assert found.inference_batch_size == num_rows


def test_measuring_draws_nothing_from_the_generator_of_others():
    head = small_head()
    state = torch.get_rng_state()
    measure(head, batch_size=2, eval_batch_size=2, device=torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_batch_whose_embeddings_do_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"The embeddings of a batch of 1000000000000 need .* GiB, but .* are free"):
        measure(LinearHead(), batch_size=10**12, eval_batch_size=1, device=CPU)
