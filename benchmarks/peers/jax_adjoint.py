"""Real float32 amplitudes in JAX with a hand-written adjoint sweep: the fastest simulator other than qlit that we know.

Not a package but what an able user could write. Every gate is one turn of a lax.scan whose control, target and angle
are data: so it compiles in a second. The batch is innermost; rows are gathered by k -> k ^ (control's bit << target).
XLA starts as many threads as the process may use cores.
"""

import jax
import jax.numpy as jnp
import numpy as np
from work import BATCH_SIZE, Contestant, Gate, Result, Work


def _fused(num_qubits: int, gates: list[Gate]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(target bit, control bit) of each RY with the CNOT before it, its slot, and whether that is an input angle.

    Control bit `num_qubits` is always 0: no control. Every CNOT here has its RY behind it, on its target.
    """
    bits, slots, is_angle, control = [], [], [], num_qubits
    for kind, wire, slot in gates:
        if kind == "cnot":
            control = num_qubits - 1 - wire
        else:
            bits.append((num_qubits - 1 - wire, control))
            slots.append(slot)
            is_angle.append(kind == "angle")
            control = num_qubits
    return np.array(bits, np.int32), np.array(slots), np.array(is_angle)


def _sign(rows, target):
    """-1 where the target is 0, 1 where it is 1; one column."""
    return jnp.where((rows >> target) & 1, 1.0, -1.0).astype(jnp.float32)[:, None]


def _gate(state, rows, target, control, cosine, sine):
    """CNOT, then RY."""
    source = rows ^ (((rows >> control) & 1) << target)
    other = source ^ (1 << target)
    return cosine * state[source] + sine * _sign(rows, target) * state[other]


def _undone(state, rows, target, control, cosine, sine):
    """RY(-angle), then CNOT: each row reads the rotated row it came from."""
    source = rows ^ (((rows >> control) & 1) << target)
    return cosine * state[source] - sine * _sign(source, target) * state[source ^ (1 << target)]


@jax.custom_vjp
def _run(state, angles, bits):
    rows = jnp.arange(state.shape[0], dtype=jnp.int32)

    def body(state, gate):
        (target, control), cosine, sine = gate
        return _gate(state, rows, target, control, cosine, sine), None

    return jax.lax.scan(body, state, (bits, jnp.cos(angles / 2), jnp.sin(angles / 2)))[0]


def _forward(state, angles, bits):
    final = _run(state, angles, bits)
    return final, (final, angles, bits)


def _backward(saved, cotangent):
    state, angles, bits = saved
    rows = jnp.arange(state.shape[0], dtype=jnp.int32)

    def body(pair, gate):
        state, cotangent = pair
        (target, control), cosine, sine = gate
        by_angle = 0.5 * (cotangent * _sign(rows, target) * state[rows ^ (1 << target)]).sum(0)
        undo = (rows, target, control, cosine, sine)
        return (_undone(state, *undo), _undone(cotangent, *undo)), by_angle

    gates = (bits, jnp.cos(angles / 2), jnp.sin(angles / 2))
    (_, cotangent), by_angles = jax.lax.scan(body, (state, cotangent), gates, reverse=True)
    return cotangent, by_angles, None


_run.defvjp(_forward, _backward)


def build(work: Work, _name: str, _num_threads: int) -> Contestant:
    num_qubits = work.num_qubits
    encoder_parameters, pqc_parameters = jnp.asarray(work.encoder_parameters), jnp.asarray(work.pqc_parameters)
    states_NB = jnp.asarray(work.states.T)
    zero_NB = jnp.zeros_like(states_NB).at[0].set(1)
    encoder_bits, encoder_slots, _ = _fused(num_qubits, work.encoder_gates)
    pqc_bits, pqc_slots, is_angle = _fused(num_qubits, work.pqc_gates)
    rows = jnp.arange(2**num_qubits)
    signs_QN = jnp.stack([1.0 - 2.0 * ((rows >> (num_qubits - 1 - wire)) & 1) for wire in range(num_qubits)])

    def loss(encoder_parameters, pqc_parameters):
        encoder_angles = jnp.broadcast_to(encoder_parameters[encoder_slots][:, None], (len(encoder_slots), BATCH_SIZE))
        encoded_NB = _run(states_NB, encoder_angles, jnp.asarray(encoder_bits))
        angles_QB = signs_QN @ encoded_NB**2
        pqc_angles = jnp.where(
            is_angle[:, None],
            angles_QB[np.where(is_angle, pqc_slots, 0)],
            pqc_parameters[np.where(is_angle, 0, pqc_slots)][:, None],
        )
        final_NB = _run(zero_NB, pqc_angles, jnp.asarray(pqc_bits))
        return (signs_QN[0] @ final_NB**2).sum()

    value_and_gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))

    def step() -> Result:
        value, (by_encoder, by_pqc) = jax.block_until_ready(value_and_gradients(encoder_parameters, pqc_parameters))
        return float(value), np.asarray(by_encoder), np.asarray(by_pqc)

    return Contestant(f"jax {jax.__version__}", step)
