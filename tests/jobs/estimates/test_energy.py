"""The paper's energy estimate (arXiv:2504.08732, Table V, Fig. 5)."""

import dataclasses
import json
import re

import pytest
from published import ENERGY, published_file

from qlit.cli import main
from qlit.jobs.estimates.energy import EnergyModel, crossover, estimate, estimates, measured_s

PAPER = EnergyModel()


def crossing(model, kind="gpu_kj", max_qubits=64):
    found = estimates(model, max_qubits)
    return crossover(
        [each.qpu_kj for each in found], [getattr(each, kind) for each in found], [each.num_qubits for each in found]
    )


def test_the_curves_cross_where_the_paper_says_and_the_misprint_gives_48():
    published = ENERGY
    assert (PAPER.num_reuploads, PAPER.num_main_layers, PAPER.num_reupload_layers, PAPER.connectivity) == tuple(
        published[letter] for letter in "RMNC"
    )
    assert (PAPER.shots, PAPER.qpu_watt_per_qubit, PAPER.gpu_watt) == (
        published["shots"], published["qpu_watt_per_qubit"], published["gpu_watt"]
    )  # fmt: skip
    assert (PAPER.one_qubit_gate_s, PAPER.two_qubit_gate_s, PAPER.gpu_flops) == (
        published["t_1q_s"], published["t_2q_s"], published["gpu_flops"]
    )  # fmt: skip
    assert crossing(PAPER) == published["crossover_qubits"] == 46
    assert crossing(PAPER, "misprint_kj") == 48


def test_the_constants_are_the_published_ones():
    assert published_file()["energy"] == ENERGY


@pytest.mark.parametrize("num_qubits", [2, 10, 46])
def test_energies_by_hand(num_qubits):
    found = estimate(PAPER, num_qubits)
    assert (found.one_qubit_gates, found.two_qubit_gates) == (20 * num_qubits, 11 * num_qubits)
    qpu = num_qubits * (20 * num_qubits * 1e-4 + 11 * num_qubits * 1e-5) * 8000 * 0.3
    gpu = 2**num_qubits * (80 * num_qubits + 88 * num_qubits) / 3.4e13 * 0.7
    assert found.qpu_kj == pytest.approx(qpu)
    assert found.gpu_kj == pytest.approx(gpu)


@pytest.mark.parametrize(
    ("name", "factor", "qpu", "gpu"),
    [
        ("shots", 2, 2, 1),
        ("qpu_watt_per_qubit", 3, 3, 1),
        ("gpu_watt", 5, 1, 5),
        ("gpu_flops", 4, 1, 0.25),
    ],
)
def test_every_constant_enters_its_own_curve_in_proportion(name, factor, qpu, gpu):
    changed = estimate(dataclasses.replace(PAPER, **{name: getattr(PAPER, name) * factor}), 12)
    plain = estimate(PAPER, 12)
    assert changed.qpu_kj == pytest.approx(qpu * plain.qpu_kj)
    assert changed.gpu_kj == pytest.approx(gpu * plain.gpu_kj)


def test_gate_times_weigh_with_their_gates():
    plain = estimate(PAPER, 12)
    one = estimate(dataclasses.replace(PAPER, two_qubit_gate_s=1e-30), 12).qpu_kj
    two = estimate(dataclasses.replace(PAPER, one_qubit_gate_s=1e-30), 12).qpu_kj
    assert one + two == pytest.approx(plain.qpu_kj)
    assert one / two == pytest.approx(20 * 1e-4 / (11 * 1e-5))


@pytest.mark.parametrize(
    ("change", "direction"),
    [({"gpu_flops": 3.4e15}, 1), ({"gpu_watt": 7000}, -1), ({"shots": 80}, -1), ({"qpu_watt_per_qubit": 3e5}, 1)],
)
def test_the_crossing_moves_in_the_right_direction(change, direction):
    assert (crossing(dataclasses.replace(PAPER, **change)) - 46) * direction > 0


@pytest.mark.parametrize(
    ("qpu", "other", "expected"),
    [([1, 1, 1], [0, 2, 3], 11), ([1, 1, 1], [2, 0, 3], 12), ([1, 1, 1], [0, 0, 1], None), ([1, 1], [2, 2], 10)],
)
def test_a_crossing_counts_from_where_it_lasts(qpu, other, expected):
    assert crossover(qpu, other, range(10, 10 + len(qpu))) == expected


def test_the_measured_time_is_that_of_a_larger_circuit_for_more_qubits():
    assert 0 < measured_s(PAPER, 4) < measured_s(PAPER, 14) < 10


def test_the_command_prints_table_json_and_figure(capsys, tmp_path):
    assert main(["energy"]) == 0
    out = capsys.readouterr().out
    assert "From 46 qubits on the GPU needs more energy than the QPU." in out
    assert "from 48 qubits on" in out
    assert re.search(r"^ +46 +920 +506 +1\.072e\+04 +1\.12e\+04$", out, re.MULTILINE)
    plot = tmp_path / "fig5.svg"
    assert main(["energy", "--json", "--host_watt", "10", "--max_qubits", "20", "--plot", str(plot)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["crossover_qubits"] is None
    assert [each["num_qubits"] for each in report["estimates"]] == list(range(2, 21))
    measured = [each["num_qubits"] for each in report["estimates"] if each["measured_s"]]
    assert measured == [4, 6, 8, 10, 12, 14, 16]
    text = plot.read_text()
    assert all(word in text for word in ("QPU", "GPU, simulated statevector", "this machine: measured time x 10 W"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--shots", "0"], "`shots > 0` must hold, but got 0."),
        (["--gpu_flops", "nan"], "`gpu_flops > 0` must hold, but got nan."),
        (["--host_watt", "-1"], "`host_watt > 0` must hold, but got -1.0."),
        (["--max_qubits", "65"], "`2 < max_qubits <= 64` must hold, but got max_qubits=65."),
        (["--connectivity", "60", "--max_qubits", "61"], "`61 < max_qubits <= 64` must hold"),
        (["--num_reuploads", "0"], "`num_reuploads >= 1` must hold"),
        (["--plot", "fig5.gif"], "must end with one of .png, .svg, .pdf"),
    ],
)
def test_constants_out_of_range_are_refused_in_one_sentence(capsys, words, sentence):
    assert main(["energy", *words]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err
