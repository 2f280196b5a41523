"""Pictures of a circuit by the drawers of PennyLane and Qiskit, for readers who know their symbols."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from qlit.circuits import Circuit, Gate

_NEEDED = {"pennylane": ("pennylane",), "qiskit": ("qiskit", "pylatexenc")}
_IN_PENNYLANE = {
    "ry": "RY", "cnot": "CNOT", "x": "PauliX", "z": "PauliZ", "rx": "RX", "rz": "RZ", "cz": "CZ", "h": "Hadamard",
    "crx": "CRX", "cry": "CRY", "crz": "CRZ",
}  # fmt: skip
_IN_QISKIT = {"cnot": "cx"}  # other gates have the same names there


def other_figure(circuit: Circuit, drawer: str, *, title: str) -> Figure:
    """Draw a circuit; parameter k is called t0, t1, .., and input angle k x0, x1, ..

    Args:
        circuit: The circuit.
        drawer: "pennylane" or "qiskit".
        title: Title of the figure.
    Raises:
        ValueError: If a package that the drawer needs is not installed.
    """
    for name in _NEEDED[drawer]:
        try:
            import_module(name)
        except ImportError as error:
            raise ValueError(
                f"The drawer {drawer!r} needs the package {name}: install {' and '.join(_NEEDED[drawer])}, or leave "
                "--drawer out."
            ) from error
    mpl.use("agg")  # both draw with pyplot, which would open a window
    figure = _by_pennylane(circuit) if drawer == "pennylane" else _by_qiskit(circuit)
    figure.suptitle(title)
    return figure


def _by_pennylane(circuit: Circuit) -> Figure:
    import pennylane as qml
    from pennylane.drawer import tape_mpl

    # Angles are drawn as they are: a text is a valid angle for a drawing.
    operations = [getattr(qml, _IN_PENNYLANE[gate.kind])(*_angles(gate), wires=gate.wires) for gate in circuit]
    tape = qml.tape.QuantumScript(operations)
    figure: Figure
    figure, _ = tape_mpl(tape, wire_order=range(circuit.num_qubits), show_all_wires=True, decimals=2)
    return figure


def _by_qiskit(circuit: Circuit) -> Figure:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    drawn = QuantumCircuit(circuit.num_qubits)
    for gate in circuit:
        angles = [Parameter(each) if isinstance(each, str) else each for each in _angles(gate)]
        getattr(drawn, _IN_QISKIT.get(gate.kind, gate.kind))(*angles, *gate.wires)
    figure: Figure = drawn.draw("mpl")
    return figure


def _angles(gate: Gate) -> Sequence[Any]:
    """The angle of a rotation, as a name or a number."""
    if not gate.is_rotation:
        return ()
    if gate.value is not None:
        return (gate.value,)
    return (f"x{gate.angle}" if gate.parameter is None else f"t{gate.parameter}",)
