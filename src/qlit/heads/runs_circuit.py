"""Modules that run one circuit, which they keep as their engine compiled it."""

from qlit.circuits import Circuit
from qlit.engines import CompiledCircuit, Engine


class RunsCircuit:
    """Part of a module that runs one circuit; its constructor sets `compiled`."""

    compiled: CompiledCircuit

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        return self.compiled.circuit

    @property
    def engine(self) -> Engine:
        """The engine that runs the circuit; setting another one compiles the circuit for it."""
        return self.compiled.engine

    @engine.setter
    def engine(self, engine: Engine) -> None:
        self.compiled = engine.compile(self.circuit)
