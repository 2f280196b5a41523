"""`qlit describe`: published counts from the configs, and the memory of a real training step."""

import json
import subprocess
import sys

import pytest
from commands.runs import ROOT
from data.helpers import environment

from qlit.cli import main
from qlit.commands.describe import describe

CONFIGS = ROOT / "configs"


@pytest.fixture
def shown(capsys):
    """Exit status, standard output and standard error of `qlit describe`."""

    def run(config: str, *options: str) -> tuple[int, str, str]:
        status = main(["describe", "--config", str(CONFIGS / config), *options])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def facts(shown):
    def run(config: str, *options: str) -> dict:
        status, out, err = shown(config, "--json", *options)
        assert (status, err) == (0, "")
        return json.loads(out)

    return run


# --- published figures (arXiv:2504.08732, Tables II and III) ---


@pytest.mark.parametrize(("num_qubits", "published"), [(10, 353), (12, 423), (14, 493), (18, 633)])
def test_single_encoder_heads_have_the_published_counts(facts, num_qubits, published):
    width = str(num_qubits)
    found = facts("single_sqe.yaml", "--model.head.encoder.num_qubits", width, "--model.head.pqc.num_qubits", width)
    parts = {"encoder": 28 * num_qubits + 1, "pqc": 7 * num_qubits, "linear": 2}
    assert found["parameters"] == {**parts, "total": published}
    encoder, pqc = found["circuits"]
    assert (encoder["name"], encoder["num_parameters"]) == ("encoder", 28 * num_qubits)
    assert pqc == {
        "name": "pqc",
        "num_qubits": num_qubits,
        "num_parameters": 7 * num_qubits,
        "one_qubit_gates": 20 * num_qubits,
        "two_qubit_gates": 11 * num_qubits,
    }
    assert found["batch_size"] == 16
    assert found["amplitudes"] == 2 * 16 * 2**num_qubits


@pytest.mark.parametrize(("num_qubits", "published"), [(10, 858), (14, 886), (18, 914)])
def test_multi_encoder_heads_have_the_published_counts(facts, num_qubits, published):
    found = facts("multi_sqe.yaml", "--model.head.pqc.num_qubits", str(num_qubits))
    assert found["parameters"]["total"] == published
    *encoders, pqc = found["circuits"]
    assert [(each["name"], each["num_qubits"]) for each in encoders] == [
        ("encoder.encoders.0", 14),
        ("encoder.encoders.1", 14),
    ]
    assert (pqc["one_qubit_gates"], pqc["two_qubit_gates"]) == (20 * num_qubits, 11 * num_qubits)
    assert found["amplitudes"] == 16 * (2 * 2**14 + 2**num_qubits)


# --- what a person sees ---


@pytest.mark.parametrize("config", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_every_config_is_described_as_a_table(shown, facts, config):
    status, out, err = shown(config)
    assert (status, err) == (0, "")
    known = facts(config)
    lines = out.splitlines()
    assert lines[0].split() == ["trainable", "parameters", f"{known['parameters']['total']:,}"]
    for circuit in known["circuits"]:
        (row,) = [line for line in lines if line.startswith(f"{circuit['name']} ")]
        assert row.split()[1:] == [f"{value:,}" for key, value in circuit.items() if key != "name"]
    assert f"a batch of {known['batch_size']} has {known['amplitudes']:,} amplitudes" in lines[-1]
    assert max(map(len, lines)) <= 120


def test_circuits_are_drawn_under_their_names(shown):
    _, plain, _ = shown("multi_sqe.yaml")
    status, out, err = shown("multi_sqe.yaml", "--draw")
    assert (status, err) == (0, "")
    assert out.startswith(plain)
    drawn = out[len(plain) :].splitlines()
    assert [line for line in drawn if ":" not in line and line[:1].isalpha()] == [
        "encoder.encoders.0",
        "encoder.encoders.1",
        "pqc",
    ]
    assert any("x13" in line for line in drawn)  # the last input angle of the PQC


def test_later_configs_and_options_win(facts, tmp_path):
    (tmp_path / "more.yaml").write_text("model: {head: {init_args: {pqc: {num_qubits: 12}}}}\ndata: {batch_size: 8}\n")
    more = ("--config", str(tmp_path / "more.yaml"))
    assert facts("multi_sqe.yaml", *more)["parameters"]["pqc"] == 7 * 12
    found = facts("multi_sqe.yaml", *more, "--model.head.pqc.num_qubits", "4", "--trainer.max_epochs", "1")
    assert (found["parameters"]["pqc"], found["batch_size"]) == (7 * 4, 8)


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--model.head.encoder.connectivity", "14"], 1, "`1 <= connectivity <= num_qubits - 1` must hold"),
        (["--model.head.pqc.num_reuploads", "0"], 1, "`num_reuploads >= 1` must hold"),
        (["--model.head.pqc.num_qubits", "14"], 1, "num_outputs=14, num_qubits=10"),
        (["--model.head.pqc.engine", "qpu"], 1, "There is no engine 'qpu'"),
        (["--model.lr", "0"], 1, "`lr > 0` must hold, but got lr=0.0;"),
        (["--model.head.pqc.num_qubits", "ten"], 2, "Got value: ten"),
        (["--model.learning_rate", "1"], 2, "unknown option --model.learning_rate"),
        (["--config", "gone.yaml"], 2, "gone.yaml"),
    ],
)
def test_a_model_that_cannot_be_is_refused_in_one_sentence(shown, options, status, sentence):
    found, out, err = shown("single_sqe.yaml", *options)
    assert (found, out) == (status, "")
    assert err.startswith("qlit describe: ")
    assert sentence in err
    assert err.count("\n") == 1


# --- memory ---

HEAD = """
from functools import partial
from qlit.heads import HybridHead, ParallelEncoders, ReuploadingPQC, SimulatedQuantumEncoder
def head(num_qubits, num_encoders):
    encoder = partial(SimulatedQuantumEncoder, num_qubits=num_qubits, connectivity=1)
    encoders = partial(ParallelEncoders, num_encoders=num_encoders, encoder=encoder)
    return HybridHead(encoders, ReuploadingPQC(num_qubits, num_reuploads=1))
"""
MEASURE_STEP = """
import re, sys, torch
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
def step(head, batch_size):
    head.seed_shots(0, 0, batch_size)
    head(torch.ones(batch_size, 8)).sum().backward()
small, large = head(3, 1), head(15, int(sys.argv[1]))
step(small, 2)
before = memory("VmRSS")
step(large, 64)
print(memory("VmHWM") - before)  # not ru_maxrss, in which a process starts with its parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("num_encoders", [1, 3])
def test_a_training_step_needs_the_memory_that_is_told(num_encoders):
    """A batch of states is 8 MiB here, and at most 64 MiB + 8 MiB a circuit are alive at once."""
    # With a fixed threshold every block is given back when it is freed; glibc's own moves, and leaves gaps.
    env = environment(MALLOC_MMAP_THRESHOLD_=str(2**20), OMP_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-c", HEAD + MEASURE_STEP, str(num_encoders)],
        env=env,
        check=True,
        capture_output=True,
    )
    names: dict = {}
    exec(HEAD, names)
    told = describe(names["head"](15, num_encoders), {"total": 0}, 64)["bytes_per_step"]
    assert told == (8 + num_encoders) * 64 * 2**15 * 4
    assert 0.8 < int(done.stdout) / told < 1.3


def test_double_precision_needs_double_the_memory(capsys):
    told = []
    for options in ([], ["--trainer.precision", "64-true"]):
        assert main(["describe", "--config", str(CONFIGS / "single_sqe.yaml"), "--json", *options]) == 0
        told.append(json.loads(capsys.readouterr().out)["bytes_per_step"])
    assert told[1] == 2 * told[0]
