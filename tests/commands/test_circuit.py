"""`qlit circuit draw`: Figs. 2 and 3 of the paper, gate by gate."""

import re
import sys

import pytest

from qlit.circuits import Circuit, cnot, crx, cz, encoder_circuit, h, ry, rz, x, z
from qlit.cli import main
from qlit.reports.circuit_figure import circuit_figure
from qlit.reports.other_drawers import other_figure

FIG_3 = ["encoder", "--num_qubits", "4", "--connectivity", "2", "--num_layers", "3"]


def gates_of(text):
    """Gates in the text of a drawing, as (control, target) and (parameter, wire), each in order of its column."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if re.match(r" *\d: ", line)]
        if not lines:
            continue
        for place in range(len(lines[0])):
            cells = [line[place : place + 4] for line in lines]
            controls = [wire for wire, cell in enumerate(cells) if cell[:1] == "o"]
            if controls:
                (target,) = [wire for wire, cell in enumerate(cells) if cell[:1] == "X"]
                found.append(("cnot", controls[0], target))
            for wire, cell in enumerate(cells):
                if turn := re.match(r"t(\d+)-", cell + "-"):
                    found.append(("ry", wire, int(turn[1])))
    return found


def test_figure_3_gate_by_gate(capsys):
    assert main(["circuit", "draw", *FIG_3, "--width", "4000"]) == 0
    out = capsys.readouterr().out
    ring = [(distance, k) for distance in (1, 2) for k in range(4)]
    cnots = [("cnot", k, (k + distance) % 4) for distance, k in ring * 4]
    turns = [(wire, (k + distance) % 4) for wire, (distance, k) in enumerate(ring)]
    parameters = [("ry", target, number) for number, target in turns]
    parameters += [("ry", wire, 8 + wire) for wire in range(4)]
    parameters += [("ry", target, 12 + 8 * layer + number) for layer in range(3) for number, target in turns]
    found = gates_of(out)
    assert [gate for gate in found if gate[0] == "cnot"] == cnots
    assert sorted(gate for gate in found if gate[0] == "ry") == sorted(parameters)
    assert "4 qubits, 36 parameters, 36 one-qubit gates, 32 two-qubit gates" in out


@pytest.mark.parametrize("drawer", ["pennylane", "qiskit"])
def test_other_drawers_draw_every_gate(drawer, tmp_path):
    gates = (cnot(0, 1), cz(1, 2), h(0), rz(1, value=0.5), crx(0, 2, angle=0), ry(2, parameter=0), x(0), z(1))
    figure = other_figure(Circuit(3, gates), drawer, title="Every kind")
    words = " ".join(each.get_text() for axes in figure.axes for each in axes.texts)
    for word in ("t0", "x0", "0.5"):
        assert word in words
    assert figure._suptitle.get_text() == "Every kind"
    assert main(["circuit", "draw", *FIG_3, "--drawer", drawer, "--plot", str(tmp_path / "fig3.svg")]) == 0
    assert (tmp_path / "fig3.svg").read_text().count("<path") > 30


def test_a_drawer_that_is_not_installed_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pylatexenc", None)
    assert main(["circuit", "draw", "block", "--drawer", "qiskit", "--plot", str(tmp_path / "x.png")]) == 1
    assert "needs the package pylatexenc: install qiskit and pylatexenc, or leave" in capsys.readouterr().err
    assert main(["circuit", "draw", "block", "--drawer", "qiskit"]) == 2
    assert "--drawer goes with --plot FILE" in capsys.readouterr().err


def test_figure_2_is_a_cnot_and_a_rotation_of_its_target(capsys):
    assert main(["circuit", "draw", "block"]) == 0
    out = capsys.readouterr().out
    assert gates_of(out) == [("cnot", 0, 1), ("ry", 1, 0)]
    assert "1 parameter," in out


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["pqc1"], "4 qubits, 12 parameters"),
        (["pqc2"], "4 qubits, 16 parameters"),
        (["pqc"], "4 qubits, 28 parameters, 80 one-qubit gates, 44 two-qubit gates"),
        (["pqc", "--num_qubits", "14", "--num_reuploads", "1"], "14 qubits, 98 parameters"),
        (["encoder", "--num_qubits", "10", "--connectivity", "9"], "10 qubits, 280 parameters"),
    ],
)
def test_parts_have_the_papers_counts(capsys, words, counts):
    assert main(["circuit", "draw", *words]) == 0
    assert counts in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_written_in_the_format_of_its_name(capsys, tmp_path, suffix):
    plot = tmp_path / f"fig3.{suffix}"
    assert main(["circuit", "draw", *FIG_3, "--plot", str(plot)]) == 0
    assert capsys.readouterr().out == ""
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert plot.read_bytes().startswith(begins)


def test_a_picture_has_a_box_for_every_rotation_and_a_circle_for_every_control_and_target():
    circuit = encoder_circuit(4, connectivity=2, num_layers=3)
    (axes,) = circuit_figure(circuit, title="Fig. 3").axes
    kinds = [type(patch).__name__ for patch in axes.patches]
    assert kinds.count("Rectangle") == circuit.num_one_qubit_gates == 36
    assert kinds.count("Circle") == 2 * circuit.num_two_qubit_gates == 64
    labels = [text.get_text() for text in axes.texts]
    assert [rf"RY{chr(10)}$\theta_{{{k}}}$" in labels for k in range(36)] == [True] * 36


def test_a_picture_of_other_gates():
    circuit = Circuit(2, (h(0), rz(1, value=1.5), crx(0, 1, parameter=0), cz(1, 0), cnot(0, 1)))
    (axes,) = circuit_figure(circuit, title="").axes
    labels = [text.get_text() for text in axes.texts]
    assert {"H", "RZ\n1.5", "RX\n$\\theta_{0}$", "Z"} <= set(labels)


@pytest.mark.parametrize(
    ("words", "sentence", "status"),
    [
        (["block", "--num_qubits", "3"], "--num_qubits does not change the part 'block'", 2),
        (["pqc", "--num_layers", "3"], "--num_layers does not change the part 'pqc'", 2),
        (["encoder", "--connectivity", "4"], "`1 <= connectivity <= num_qubits - 1` must hold", 1),
        (["encoder", "--width", "3"], "`width >= 24` must hold", 1),
        (["encoder", "--plot", "fig.gif"], "must end with one of .png, .svg, .pdf", 1),
        (["decoder"], "invalid choice: 'decoder'", 2),
    ],
)
def test_bad_input_is_refused_in_one_sentence(capsys, words, sentence, status):
    assert main(["circuit", "draw", *words]) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err
