"""The circuits of a config's head at any number of qubits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jsonargparse import Namespace

from qlit.circuits import Circuit
from qlit.engines import object_at
from qlit.heads import Encoder, GateNoise, ReuploadingPQC

# What the circuit itself does not depend on; a narrow circuit would refuse some of it, and a device could charge.
_PLAIN: dict[str, Any] = {
    "engine": "auto",
    "noise": GateNoise(),
    "register": "measured",
    "sampler": "gaussian",
    "shots": None,
}


@dataclass(frozen=True)
class Family:
    """A circuit of a head with any number of qubits, other settings as in its config.

    Args:
        name: Place in the head: encoder, encoder.encoder or pqc.
        kind: Class of the module.
        settings: Arguments of the class.
        wire: First measured wire.
    """

    name: str
    kind: type
    settings: dict[str, Any]
    wire: int

    @property
    def num_qubits(self) -> int:
        """Number of qubits in the config."""
        return int(self.settings["num_qubits"])

    def circuit(self, num_qubits: int) -> Circuit:
        """The circuit with a number of qubits; its connectivity is at most num_qubits - 1.

        Raises:
            ValueError: If there is no such circuit.
        """
        if isinstance(self.settings.get("ansatz"), list) and num_qubits != self.num_qubits:
            raise ValueError(
                f"The ansatz of {self.name} is a list of gates for {self.num_qubits} qubits, which says nothing about "
                f"{num_qubits}: give --qubits {self.num_qubits}, or an ansatz as a function (docs/extend_circuit.md)."
            )
        if self.wire >= num_qubits:
            raise ValueError(
                f"The circuit {self.name} measures wire {self.wire} first, which one of {num_qubits} qubits lacks: "
                "give larger --qubits."
            )
        settings = {**self.settings, "num_qubits": num_qubits}
        if "connectivity" in settings:
            settings["connectivity"] = min(settings["connectivity"], max(1, num_qubits - 1))
        found = self.kind(*[1] * issubclass(self.kind, Encoder), **settings).circuit
        assert isinstance(found, Circuit)
        return found

    def remark(self, num_qubits: int) -> str:
        """A sentence about a setting that a circuit of this width cannot have; "" if there is none."""
        given = self.settings.get("connectivity")
        if given is None or given < num_qubits:
            return ""
        return (
            f"The circuit {self.name} has connectivity {given}, which needs {given + 1} qubits: narrower circuits have "
            "the largest possible one, qubits - 1."
        )


def families_of(head: Namespace) -> list[Family]:
    """The circuits of a head.

    Args:
        head: The head in a parsed config.

    Raises:
        ValueError: If it has none that qlit can run at several widths.
    """
    found = list(_found(head, ""))
    if not found:
        raise ValueError(
            f"The head {head.class_path.rpartition('.')[2]} has no circuit of qlit to diagnose: take a config with a "
            "SimulatedQuantumEncoder, a ReuploadingPQC or an AnsatzPQC, such as single_sqe."
        )
    return found


def left_out(head: Namespace, families: Sequence[Family]) -> list[str]:
    """A sentence for the encoder or the PQC of a head of which nothing is a circuit of qlit."""
    names = [family.name for family in families]
    return [
        f"The {part} {given.class_path.rpartition('.')[2]} is left out, because it is no circuit of qlit."
        for part in ("encoder", "pqc")
        if isinstance(given := head.init_args.get(part), Namespace)
        and not any(f"{name}.".startswith(f"{part}.") for name in names)
    ]


def _found(part: Any, name: str) -> Iterator[Family]:
    if not isinstance(part, Namespace):
        return
    settings = part.get("init_args", part)
    if isinstance(settings, Namespace) and "num_qubits" in settings:
        kind = object_at(part.class_path, "a module with a circuit") if "class_path" in part else ReuploadingPQC
        if isinstance(getattr(kind, "circuit", None), property):
            yield _family(name, kind, vars(settings))
    for key, inner in vars(settings).items() if isinstance(settings, Namespace) else ():
        yield from _found(inner, f"{name}.{key}".lstrip("."))


def _family(name: str, kind: type, settings: dict[str, Any]) -> Family:
    wires = settings.get("measured_wires", "auto")
    wire = 0 if isinstance(wires, str) else wires[0]
    plain = {**_PLAIN, "measured_wires": [wire]}
    return Family(name, kind, {**settings, **{key: plain[key] for key in plain.keys() & settings.keys()}}, wire)
