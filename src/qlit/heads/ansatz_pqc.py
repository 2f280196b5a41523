"""A PQC with a circuit of one's own: a function that returns it, or a list of gates."""

import typing
from collections.abc import Sequence
from typing import Literal, final

from qlit.circuits import MAX_GATES, MAX_QUBITS, Circuit, Gate, circuit_of, ry, shifted
from qlit.engines import object_at
from qlit.engines.shots import Sampler
from qlit.heads.circuit_pqc import CircuitPQC
from qlit.heads.gate_noise import NO_NOISE, GateNoise


@final
class AnsatzPQC(CircuitPQC):
    """R times [angle encoding by RY, your ansatz], then Z on the measured wires, exact or from finite shots.

    Every repetition of the ansatz has its own parameters: R * P of them. An ansatz that reads input angles encodes them
    itself: then there is no other encoding.

    Args:
        num_qubits: Q, at least 1; every sample has Q input angles (radians).
        ansatz: Import path of a function that gets Q and returns a `qlit.circuits.Circuit`, annotated so
            (`def mine(num_qubits: int) -> Circuit`); or a list of gates, such as ["h 0", "rx 1", "crz 0 1 t0"]: see
            `qlit.circuits.circuit_of`.
        num_reuploads: R, at least 1.
        shots: As of `ReuploadingPQC`.
        sampler: As of `ReuploadingPQC`.
        register: As of `ReuploadingPQC`.
        measured_wires: As of `ReuploadingPQC`.
        noise: As of `ReuploadingPQC`.
        init_std: As of `ReuploadingPQC`.
        engine: As of `ReuploadingPQC`; it must run the gates.

    Raises:
        ValueError: If the ansatz is not found, is no circuit of Q wires, reads other input angles than 0 .. Q-1, or has
            gates that the engine cannot run; or if a number is out of range.
    """

    def __init__(
        self,
        num_qubits: int,
        ansatz: str | list[str],
        *,
        num_reuploads: int = 1,
        shots: int | None = 8192,
        sampler: Sampler = "gaussian",
        register: Literal["measured", "full"] = "measured",
        measured_wires: Sequence[int] | Literal["auto"] = "auto",
        noise: GateNoise = NO_NOISE,
        init_std: float = 0.1,
        engine: str = "auto",
    ) -> None:
        if not 1 <= num_qubits <= MAX_QUBITS:
            raise ValueError(f"`1 <= num_qubits <= {MAX_QUBITS}` must hold, but got {num_qubits=}.")
        if num_reuploads < 1:
            raise ValueError(f"`num_reuploads >= 1` must hold, but got {num_reuploads=}.")
        super().__init__(
            _repeated(_ansatz(num_qubits, ansatz), num_reuploads),
            shots=shots,
            sampler=sampler,
            register=register,
            measured_wires=measured_wires,
            noise=noise,
            init_std=init_std,
            engine=engine,
        )


def _ansatz(num_qubits: int, given: str | list[str]) -> Circuit:
    if not isinstance(given, str):
        return circuit_of(num_qubits, given)
    function = object_at(given, "an ansatz")
    # Only a function that says so is called: a config of somebody else may name any function.
    try:
        returned = typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        returned = None
    if returned is not Circuit:
        raise ValueError(
            f"An ansatz is a function that is annotated to return a Circuit of qlit.circuits, "
            f"`def {given.rpartition('.')[2]}(num_qubits: int) -> Circuit`, but {given!r} is not."
        )
    try:
        circuit = function(num_qubits)
    except Exception as error:  # a function of a user may raise anything
        raise ValueError(f"The ansatz {given!r} failed for num_qubits={num_qubits}: {error}") from error
    if not isinstance(circuit, Circuit) or circuit.num_qubits != num_qubits:
        found = f"a circuit of {circuit.num_qubits}" if isinstance(circuit, Circuit) else f"a {type(circuit).__name__}"
        raise ValueError(f"The ansatz {given!r} must return a Circuit of {num_qubits} qubits, but returned {found}.")
    return circuit


def _repeated(ansatz: Circuit, num_reuploads: int) -> Circuit:
    """Repetitions of the ansatz, each with its own parameters and behind an encoding of all input angles."""
    num_qubits = ansatz.num_qubits
    if ansatz.num_angles not in (0, num_qubits):
        raise ValueError(
            f"An ansatz of {num_qubits} qubits reads all {num_qubits} input angles or none, but this one reads "
            f"{ansatz.num_angles}: the encoder gives one angle per qubit."
        )
    encoding = () if ansatz.num_angles else tuple(ry(wire, angle=wire) for wire in range(num_qubits))
    num_gates = num_reuploads * (len(encoding) + len(ansatz))
    if num_gates > MAX_GATES:
        raise ValueError(
            f"A circuit may have {MAX_GATES:,} gates, but this one would have {num_gates:,}: lower `num_reuploads`."
        )
    gates: list[Gate] = []
    for k in range(num_reuploads):
        gates += [*encoding, *shifted(ansatz.gates, by=k * ansatz.num_parameters)]
    return Circuit(num_qubits, tuple(gates))
