"""Circuits compiled once and run many times, on every engine."""

import copy
import pickle
import threading
from typing import ClassVar, final

import pytest
import torch
from engines.cases import random_inputs
from engines.errors import drawn_errors
from engines.test_conformance import ENGINES

from qlit.circuits import Circuit, encoder_circuit, reuploading_circuit
from qlit.engines import AutoEngine, Capabilities, CircuitAngles, Engine, NativeEngine, ReferenceEngine, TorchEngine

every_engine = pytest.mark.parametrize("engine", [*ENGINES, AutoEngine()], ids=lambda engine: engine.name)
CIRCUIT = reuploading_circuit(4, 2, 1, 1, 1)


def values_and_gradients(compute, inputs, **kwargs):
    values = compute(inputs.parameters, angles=inputs.angles, state=inputs.state, **kwargs)
    weights = torch.linspace(-1, 2, values.numel()).reshape(values.shape).to(values)
    return values, *torch.autograd.grad((values * weights).sum(), inputs.leaves)


def assert_same_bits(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)


@every_engine
@pytest.mark.parametrize("measure", ["expectation", "probabilities"])
def test_a_compiled_circuit_gives_the_results_of_its_engine_in_every_run(engine, measure):
    """Types, wires, batches and errors change from run to run."""
    compiled = engine.compile(CIRCUIT)
    for dtype in (torch.float64, torch.float32, torch.float64):
        for wires, batch_size in (([2], 3), ([0, 3], 2)):
            inputs = random_inputs(CIRCUIT, batch_size, dtype=dtype, with_state=False)
            for errors in (None, drawn_errors(CIRCUIT, batch_size)):
                ours = values_and_gradients(getattr(compiled, measure), inputs, wires=wires, errors=errors)

                def once(parameters, **given):
                    return getattr(engine, measure)(CIRCUIT, parameters, **given)

                assert_same_bits(ours, values_and_gradients(once, inputs, wires=wires, errors=errors))


@pytest.mark.parametrize("kind", [NativeEngine, TorchEngine])
def test_a_circuit_is_prepared_once_for_all_runs(monkeypatch, kind):
    prepared = []
    prepare = kind._prepare
    monkeypatch.setattr(kind, "_prepare", lambda self, circuit: prepared.append(circuit) or prepare(self, circuit))
    for engine in (kind(), AutoEngine()) if kind is NativeEngine else (kind(),):
        prepared.clear()
        compiled = engine.compile(CIRCUIT)
        assert not prepared
        for dtype in (torch.float32, torch.float64):
            for batch_size in (1, 2):
                inputs = random_inputs(CIRCUIT, batch_size, dtype=dtype, with_state=False)
                values_and_gradients(compiled.expectation, inputs)
                values_and_gradients(compiled.probabilities, inputs)
        assert len(prepared) == 1
        assert prepared[0] is CIRCUIT


@every_engine
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_and_pickles_give_the_same_bits(engine, duplicate):
    compiled = engine.compile(CIRCUIT)
    inputs = random_inputs(CIRCUIT, 3, dtype=torch.float64, with_state=False)
    errors = drawn_errors(CIRCUIT, 3)
    expected = values_and_gradients(compiled.expectation, inputs, errors=errors)
    duplicated = duplicate(compiled)
    assert duplicated.circuit == CIRCUIT
    assert duplicated.engine.name == engine.name
    assert_same_bits(values_and_gradients(duplicated.expectation, inputs, errors=errors), expected)


def test_threads_may_run_a_circuit_that_is_not_prepared_yet():
    inputs = random_inputs(CIRCUIT, 4, dtype=torch.float64, with_state=False)
    expected = values_and_gradients(NativeEngine().compile(CIRCUIT).expectation, inputs)
    for engine in (NativeEngine(), TorchEngine()):
        compiled, found = engine.compile(CIRCUIT), []
        start = threading.Barrier(4)

        def work(compiled=compiled, found=found, start=start):
            own = random_inputs(CIRCUIT, 4, dtype=torch.float64, with_state=False)
            start.wait()
            found.append(values_and_gradients(compiled.expectation, own))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(found) == 4
        for each in found:
            for mine, theirs in zip(each, expected, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


# --- encoders ---


def encoders_of(*circuits):
    given = []
    for k, circuit in enumerate(circuits):
        plain = getattr(circuit, "circuit", circuit)
        inputs = random_inputs(plain, 3, dtype=torch.float64, with_state=True, seed=k)
        given.append(CircuitAngles(circuit, inputs.parameters, torch.tensor(1.5, dtype=torch.float64), inputs.state))
    return given


@every_engine
def test_compiled_encoders_give_the_same_bits_as_plain_ones(engine):
    encoders = [encoder_circuit(2, connectivity=1, num_layers=1)] * 2
    theta = torch.linspace(-3, 3, CIRCUIT.num_parameters, dtype=torch.float64)
    compiled = engine.compile(CIRCUIT)
    plain = compiled.expectation(theta, angles=encoders_of(*encoders))
    for _ in range(2):
        again = compiled.expectation(theta, angles=encoders_of(*map(engine.compile, encoders)))
        assert torch.equal(again, plain)


def test_memory_does_not_grow_with_encoders_that_run_once():
    engine, encoder = NativeEngine(), encoder_circuit(4, connectivity=1, num_layers=1)
    compiled, theta = engine.compile(CIRCUIT), torch.zeros(CIRCUIT.num_parameters, dtype=torch.float64)
    for _ in range(200):
        compiled.expectation(theta, angles=encoders_of(encoder))
    assert len(compiled.prepared_by(engine)._programs) <= 64


def test_an_encoder_compiled_for_another_engine_is_refused():
    encoder = TorchEngine().compile(encoder_circuit(4, connectivity=1, num_layers=1))
    theta = torch.zeros(CIRCUIT.num_parameters, dtype=torch.float64)
    with pytest.raises(ValueError, match="cannot run an encoder that was compiled for engine 'torch'"):
        NativeEngine().expectation(CIRCUIT, theta, angles=encoders_of(encoder))


def test_a_circuit_too_wide_is_refused_when_it_is_compiled():
    with pytest.raises(ValueError, match="'reference' takes circuits of at most 8 qubits, but this one has 9"):
        ReferenceEngine().compile(Circuit(9, ()))


# --- engines of users ---


@final
class MinimalEngine(Engine):
    """An engine with the required members alone."""

    name: ClassVar[str] = "minimal"
    capabilities: ClassVar[Capabilities] = Capabilities(max_qubits=6, dtypes=(torch.float64,))

    def _expectation(self, run):
        values = ReferenceEngine().expectation(
            run.circuit, run.parameters, angles=run.angles, state=run.state, wires=run.wires
        )
        assert (run.errors, run.noise, run.shots, run.encoders) == (None, None, None, ())
        assert len(values) == run.batch_size
        return values

    def _probabilities(self, run):
        return ReferenceEngine().probabilities(run.circuit, run.parameters, angles=run.angles, wires=run.wires)


@final
class DelegatingEngine(Engine):
    """An engine that hands its requests to another one."""

    name: ClassVar[str] = "delegating"
    capabilities: ClassVar[Capabilities] = TorchEngine.capabilities

    def __init__(self) -> None:
        self._other = TorchEngine()

    def _expectation(self, run):
        return self._other._expectation(run)

    def _probabilities(self, run):
        return self._other._probabilities(run)


@pytest.mark.parametrize("engine", [MinimalEngine(), DelegatingEngine()], ids=lambda engine: engine.name)
def test_an_engine_needs_no_more_than_two_methods(engine):
    errors = drawn_errors(CIRCUIT, 3)
    for measure in ("expectation", "probabilities"):
        for given in (None, errors):
            inputs = random_inputs(CIRCUIT, 3, dtype=torch.float64, with_state=False)
            ours = values_and_gradients(getattr(engine.compile(CIRCUIT), measure), inputs, errors=given)
            theirs = values_and_gradients(getattr(NativeEngine().compile(CIRCUIT), measure), inputs, errors=given)
            for mine, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)
    encoders = encoders_of(encoder_circuit(4, connectivity=1, num_layers=1))
    theta = torch.ones(CIRCUIT.num_parameters, dtype=torch.float64)
    torch.testing.assert_close(
        engine.expectation(CIRCUIT, theta, angles=encoders),
        NativeEngine().expectation(CIRCUIT, theta, angles=encoders),
        rtol=0,
        atol=1e-10,
    )
