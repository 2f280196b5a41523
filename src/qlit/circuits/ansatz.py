"""The paper's circuit family (arXiv:2504.08732, Figs. 1-3): rings of CNOT and RY at increasing distance."""

from qlit.circuits.circuit import Circuit, shifted
from qlit.circuits.gates import Gate, cnot, ry

MAX_QUBITS = 64
"""Largest number of qubits of a circuit: no engine runs more."""
MAX_GATES = 200_000
"""Largest number of gates of a circuit: every gate is an object, and a training step runs all of them."""


def ring(num_qubits: int, distance: int) -> Circuit:
    """One closed ring of blocks at one distance.

    For i = 0 .. Q-1: CNOT(i -> (i + distance) mod Q), then RY on the target: Q blocks, Q parameters.

    Args:
        num_qubits: Q, at least 2.
        distance: Distance from control to target, 1 .. Q-1.

    Raises:
        ValueError: If `distance` is outside 1 .. Q-1: a block would control itself.
    Source: arXiv:2504.08732, Fig. 2 (block) and Fig. 3 (ring).
    """
    if not 1 <= distance <= num_qubits - 1:
        raise ValueError(
            f"A ring on {num_qubits} qubits reaches distances 1 to {num_qubits - 1}, but got {distance=}: "
            f"a block would control itself. Lower the connectivity or raise `num_qubits`."
        )
    gates: list[Gate] = []
    for control in range(num_qubits):
        target = (control + distance) % num_qubits
        gates += [cnot(control, target), ry(target, parameter=control)]
    return Circuit(num_qubits, tuple(gates))


def rings(num_qubits: int, connectivity: int) -> Circuit:
    """ring(1), ring(2), .. ring(C), "layers with increasing connectivity"; Q * C parameters.

    Raises:
        ValueError: If `connectivity` C is outside 1 .. Q-1.
    Source: arXiv:2504.08732, Fig. 3.
    """
    if not 1 <= connectivity <= num_qubits - 1:
        raise ValueError(
            f"`1 <= connectivity <= num_qubits - 1` must hold, but got {connectivity=}, {num_qubits=}: "
            "a block would control itself."
        )
    return _in_sequence(num_qubits, [ring(num_qubits, distance) for distance in range(1, connectivity + 1)])


def ansatz(num_qubits: int, connectivity: int, num_layers: int) -> Circuit:
    """rings(C), one RY on every qubit, then `num_layers` times rings(C).

    Q * (C + 1 + layers * C) parameters, all distinct, and Q * C * (1 + layers) CNOTs.

    Args:
        num_qubits: Q, at least 2.
        connectivity: C, 1 .. Q-1.
        num_layers: Rings after the RY column, at least 0.

    Raises:
        ValueError: If C or `num_layers` is out of range.
    Source: arXiv:2504.08732, Fig. 3 (Q = 4, C = 2, 3 layers).
    """
    if num_layers < 0:
        raise ValueError(f"`num_layers >= 0` must hold, but got {num_layers=}.")
    block = rings(num_qubits, connectivity)
    column = Circuit(num_qubits, tuple(ry(wire, parameter=wire) for wire in range(num_qubits)))
    return _in_sequence(num_qubits, [block, column, *[block] * num_layers])


def encoder_circuit(num_qubits: int, *, connectivity: int = 9, num_layers: int = 2) -> Circuit:
    """The circuit of a simulated quantum encoder (sPQC): 28 parameters per qubit by default.

    28 = C + 1 + layers * C has the solutions (9, 2), (3, 8) and (1, 26); the default is (9, 2).

    Source: arXiv:2504.08732, sec. III.C and Table II (353 = 28 * 10 + 1 + 7 * 10 + 2).
    """
    _check_size(num_qubits, num_gates_of(num_qubits, connectivity, num_layers), "`num_layers`")
    return ansatz(num_qubits, connectivity, num_layers)


def pair_circuit(num_qubits: int, *, connectivity: int = 9, num_layers: int = 2) -> Circuit:
    """A circuit that is RY(theta_0) on wire 0 if all other parameters are 0; Q * (1 + layers * C) parameters.

    An RY on every qubit, then `num_layers` times, for the distances 1 .. C: CNOT(i -> (i + distance) mod Q) for all i,
    an RY on every qubit, and the same CNOTs in reverse order, which undo the first ones around angles of 0.

    Args:
        num_qubits: Q, at least 2.
        connectivity: C, 1 .. Q-1.
        num_layers: At least 0.

    Raises:
        ValueError: If one of them is out of range.
    """
    if not 1 <= connectivity <= num_qubits - 1:
        raise ValueError(
            f"`1 <= connectivity <= num_qubits - 1` must hold, but got {connectivity=}, {num_qubits=}: "
            "a CNOT would control itself."
        )
    if num_layers < 0:
        raise ValueError(f"`num_layers >= 0` must hold, but got {num_layers=}.")
    _check_size(num_qubits, num_qubits * (1 + 3 * num_layers * connectivity), "`num_layers`")
    column = tuple(ry(wire, parameter=wire) for wire in range(num_qubits))
    parts = [Circuit(num_qubits, column)]
    for _ in range(num_layers):
        for distance in range(1, connectivity + 1):
            cnots = tuple(cnot(wire, (wire + distance) % num_qubits) for wire in range(num_qubits))
            parts.append(Circuit(num_qubits, cnots + column + cnots[::-1]))
    return _in_sequence(num_qubits, parts)


def reuploading_circuit(
    num_qubits: int, num_reuploads: int, num_main_layers: int, num_reupload_layers: int, connectivity: int
) -> Circuit:
    """The circuit of the QPU-side module: R times [angle encoding, PQC1], then PQC2.

    PQC1 = ansatz(Q, C, N) has one set of parameters shared by all re-uploads; PQC2 = ansatz(Q, C, M) has its own.

    Args:
        num_qubits: Q, at least 2; every sample has Q input angles (radians).
        num_reuploads: R, at least 1.
        num_main_layers: M, layers of PQC2, at least 0.
        num_reupload_layers: N, layers of PQC1, at least 0.
        connectivity: C, 1 .. Q-1.

    Raises:
        ValueError: If one of them is out of range.
    Source: arXiv:2504.08732, Fig. 1; data re-uploading arXiv:1907.02085.
    """
    if num_reuploads < 1:
        raise ValueError(f"`num_reuploads >= 1` must hold, but got {num_reuploads=}.")
    for name, value in (("num_main_layers", num_main_layers), ("num_reupload_layers", num_reupload_layers)):
        if value < 0:
            raise ValueError(f"`{name} >= 0` must hold, but got {name}={value}.")
    num_reupload_gates = num_qubits + num_gates_of(num_qubits, connectivity, num_reupload_layers)
    num_gates = num_reuploads * num_reupload_gates + num_gates_of(num_qubits, connectivity, num_main_layers)
    _check_size(num_qubits, num_gates, "`num_reuploads`, `num_main_layers`, `num_reupload_layers`")
    encoding = tuple(ry(wire, angle=wire) for wire in range(num_qubits))
    reupload = ansatz(num_qubits, connectivity, num_reupload_layers)
    main = ansatz(num_qubits, connectivity, num_main_layers)
    gates = (encoding + reupload.gates) * num_reuploads + shifted(main.gates, by=reupload.num_parameters)
    return Circuit(num_qubits, gates)


def num_gates_of(num_qubits: int, connectivity: int, num_layers: int) -> int:
    """Gates of `ansatz`, without building it."""
    return num_qubits * (1 + 2 * connectivity * (1 + num_layers))


def _check_size(num_qubits: int, num_gates: int, layers: str) -> None:
    if num_qubits > MAX_QUBITS:
        raise ValueError(
            f"`num_qubits <= {MAX_QUBITS}` must hold, but got {num_qubits=}: no engine takes wider circuits."
        )
    if num_gates > MAX_GATES:
        raise ValueError(
            f"A circuit may have {MAX_GATES:,} gates, but this one would have {num_gates:,}: lower {layers} or "
            "`connectivity`."
        )


def _in_sequence(num_qubits: int, parts: list[Circuit]) -> Circuit:
    """Concatenate circuits; every part has its own parameters."""
    gates: tuple[Gate, ...] = ()
    used = 0
    for part in parts:
        gates += shifted(part.gates, by=used)
        used += part.num_parameters
    return Circuit(num_qubits, gates)
