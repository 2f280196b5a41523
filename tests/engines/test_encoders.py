"""Circuits whose input angles other circuits measure: every engine gives what running these first gives."""

from functools import partial
from typing import NamedTuple

import pytest
import torch
from engines.cases import random_inputs
from engines.errors import drawn_errors
from engines.test_conformance import ENGINES
from tolerances import ENGINE_ATOL
from torch import Tensor

from qlit.circuits import Circuit, encoder_circuit, reuploading_circuit, ry
from qlit.engines import AutoEngine, CircuitAngles, NativeEngine, TorchEngine, native_engine

KERNELS = native_engine._extension.available_kernels() if native_engine.is_built() else []
every_engine = pytest.mark.parametrize("engine", [*ENGINES, AutoEngine()], ids=lambda engine: engine.name)
every_kernel = pytest.mark.parametrize("kernels", KERNELS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)

PQC = reuploading_circuit(5, 2, 1, 1, 2)
# Unequal in width, measured wires and whether they start from a state.
ENCODERS = [
    (encoder_circuit(4, connectivity=2, num_layers=1), (2, 0, 3), True),
    (encoder_circuit(3, connectivity=1, num_layers=1), (1, 2), False),
]


class Inputs(NamedTuple):
    theta: Tensor
    encoders: list[CircuitAngles]

    @property
    def tensors(self) -> list[Tensor]:
        return [self.theta, *(t for each in self.encoders for t in (each.parameters, each.scale, each.state))]

    @property
    def leaves(self) -> list[Tensor]:
        return [tensor for tensor in self.tensors if tensor.requires_grad]

    def angles(self, engine) -> Tensor:
        """What the encoders measure, one after the other."""
        measured = [
            each.scale * engine.expectation(each.circuit, each.parameters, state=each.state, wires=each.wires)
            for each in self.encoders
        ]
        return torch.cat(measured, dim=1)


def make_inputs(batch_size, dtype=torch.float64, encoders=ENCODERS):
    """Encoders that start from |0..0> are given that state, so that all have a batch."""
    given = []
    for k, (circuit, wires, random_state) in enumerate(encoders):
        inputs = random_inputs(circuit, batch_size, dtype=dtype, with_state=True, seed=k)
        state = inputs.state
        if not random_state:
            state = torch.zeros_like(state)
            state[:, 0] = 1
        scale = torch.tensor(1.5 + k, dtype=dtype).requires_grad_()
        given.append(CircuitAngles(circuit, inputs.parameters, scale, state, wires))
    theta = torch.linspace(-3, 3, PQC.num_parameters, dtype=dtype).requires_grad_()
    return Inputs(theta, given)


def together(compute, inputs):
    return compute(PQC, inputs.theta, angles=inputs.encoders)


def one_after_the_other(engine, compute, inputs):
    return compute(PQC, inputs.theta, angles=inputs.angles(engine))


def values_and_gradients(values, inputs):
    weights = torch.linspace(-1, 2, values.numel()).reshape(values.shape).to(values)
    return values, *torch.autograd.grad((values * weights).sum(), inputs.leaves)


def assert_same(ours, theirs, atol):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=atol)


@every_engine
@pytest.mark.parametrize("measure", ["expectation", "probabilities"])
def test_encoders_give_what_running_them_first_gives(engine, measure):
    inputs = make_inputs(3)
    compute = partial(getattr(engine, measure), wires=(4, 1))
    ours = values_and_gradients(together(compute, inputs), inputs)
    theirs = values_and_gradients(one_after_the_other(engine, compute, inputs), inputs)
    assert len(ours) == 1 + 6
    assert_same(ours, theirs, ENGINE_ATOL[torch.float64])


@every_engine
def test_errors_are_those_of_the_circuit_behind_the_encoders(engine):
    inputs = make_inputs(4)
    compute = partial(engine.expectation, errors=drawn_errors(PQC, 4))
    ours = values_and_gradients(together(compute, inputs), inputs)
    assert_same(
        ours, values_and_gradients(one_after_the_other(engine, compute, inputs), inputs), ENGINE_ATOL[torch.float64]
    )
    assert not torch.allclose(ours[0], together(engine.expectation, inputs))


@every_kernel
@every_dtype
@pytest.mark.parametrize("batch_size", [1, 7, 8, 16, 33])
def test_kernels_give_the_same_bits_in_one_go(kernels, dtype, batch_size):
    engine, inputs = NativeEngine(kernels), make_inputs(batch_size, dtype)
    ours = values_and_gradients(together(engine.expectation, inputs), inputs)
    theirs = values_and_gradients(one_after_the_other(engine, engine.expectation, inputs), inputs)
    scales = [1 + k for k, leaf in enumerate(inputs.leaves) if not leaf.dim()]
    for k, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if k in scales:  # a sum over the batch, in another order
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=ENGINE_ATOL[dtype])
        else:
            assert torch.equal(mine, other)


def test_any_number_of_threads_gives_the_same_bits():
    before, inputs, found = torch.get_num_threads(), make_inputs(33, torch.float32), []
    try:
        for num_threads in (1, 2, 3):
            torch.set_num_threads(num_threads)
            found.append(values_and_gradients(together(NativeEngine().expectation, inputs), inputs))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_a_retained_graph_can_be_swept_again():
    inputs = make_inputs(9)
    value = together(NativeEngine().expectation, inputs).sum()
    first, second, third = (torch.autograd.grad(value, inputs.leaves, retain_graph=True) for _ in range(3))
    for other in (second, third):
        assert_same(first, other, 1e-12)


def test_a_second_derivative_is_refused():
    inputs = make_inputs(2)
    value = together(NativeEngine().expectation, inputs).square().sum()
    (gradient,) = torch.autograd.grad(value, inputs.theta, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_evaluation_gives_the_values_of_training():
    inputs = make_inputs(20, torch.float32)
    trained = together(NativeEngine().expectation, inputs)
    with torch.inference_mode():
        evaluated = together(NativeEngine().expectation, inputs)
    assert evaluated.grad_fn is None
    assert torch.equal(trained, evaluated)


@pytest.mark.parametrize("trained", range(7))
def test_one_tensor_alone_may_train(trained):
    inputs = make_inputs(3)
    for k, tensor in enumerate(inputs.tensors):
        tensor.requires_grad_(k == trained)
    found = []
    for values in (together(NativeEngine().expectation, inputs), together(TorchEngine().expectation, inputs)):
        found.append(values_and_gradients(values, inputs))
    assert len(found[0]) == 2
    assert_same(*found, ENGINE_ATOL[torch.float64])


@every_engine
def test_an_empty_batch_has_empty_values_and_zero_gradients(engine):
    inputs = make_inputs(0)
    values, *gradients = values_and_gradients(together(engine.expectation, inputs), inputs)
    assert values.shape == (0, 5)
    assert not any(gradient.any() for gradient in gradients)


# --- bad input ---


def test_an_encoder_whose_values_are_no_numbers_is_refused():
    inputs = make_inputs(2)
    with torch.no_grad():
        inputs.encoders[1].scale.fill_(float("inf"))
    with pytest.raises(ValueError, match=r"Angles must be finite, but among the input angles number 3 is -?inf"):
        together(NativeEngine().expectation, inputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: [e[0]], "reads 5 input angles a sample, but its encoders measure 3 wires"),
        (lambda _: [], "reads 5 input angles a sample, but its encoders measure 0 wires"),
        (lambda e: [e[0], e[1]._replace(wires=None)], "its encoders measure 6 wires"),
        (lambda e: [e[0], e[1]._replace(state=e[1].state[:2])], "the same samples, but got batches of 3 and 2"),
        (lambda e: [e[0], e[1]._replace(scale=torch.ones(2))], r"`scale` must have shape \(\), but has \(2,\)"),
        (
            lambda e: [e[0], e[1]._replace(scale=e[1].scale.float())],
            "an encoder's scale must share type and device, but got torch.float64.*and torch.float32",
        ),
        (
            lambda e: [e[0], e[1]._replace(parameters=e[1].parameters.float(), state=e[1].state.float())],
            "an encoder's parameters must share type and device, but got torch.float64.*and torch.float32",
        ),
        (lambda e: [e[0], e[1]._replace(wires=(1, 1))], "Measured wires must be at least one and distinct"),
        (
            lambda e: [e[0], e[1]._replace(circuit=Circuit(3, (ry(0, angle=0),)), parameters=torch.empty(0).double())],
            "reads 1 input angles a sample, but none were given",
        ),
    ],
)
def test_encoders_that_do_not_fit_are_refused(change, message):
    inputs = make_inputs(3)
    with pytest.raises(ValueError, match=message):
        NativeEngine().expectation(PQC, inputs.theta, angles=change(inputs.encoders))


def test_encoders_with_strides_are_refused():
    inputs = make_inputs(3)
    strided = inputs.encoders[0]._replace(state=inputs.encoders[0].state.detach().T.contiguous().T)
    with pytest.raises(ValueError, match=r"contiguous tensors, but `state` has shape \(3, 16\) and strides \(1, 3\)"):
        NativeEngine().expectation(PQC, inputs.theta, angles=[strided, inputs.encoders[1]])
