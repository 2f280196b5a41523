import pytest

from qlit.circuits import Circuit, circuit_of, cnot, crz, h, rx, ry, rz


def test_a_list_of_gates_is_a_circuit():
    lines = ["h 0", "cnot 0 1", "CX 1 0", "rx 0", "ry 1 x1", "rz 0 t0", "crz 1 0", "ry 0 x0", "rz 1 -1.5"]
    assert circuit_of(2, lines) == Circuit(
        2,
        (
            *(h(0), cnot(0, 1), cnot(1, 0), rx(0, parameter=0), ry(1, angle=1), rz(0, parameter=0)),
            *(crz(1, 0, parameter=1), ry(0, angle=0), rz(1, value=-1.5)),
        ),
    )


def test_a_rotation_without_an_angle_gets_the_next_parameter():
    assert circuit_of(1, ["rx 0 t1", "ry 0", "rz 0 t0", "rx 0"]) == Circuit(
        1, (rx(0, parameter=1), ry(0, parameter=2), rz(0, parameter=0), rx(0, parameter=3))
    )


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["h 0", "foo 1"], r"Gate 2 of the list, 'foo 1': there is no gate 'foo'; there are: ry, cnot, x, z, rx"),
        ([""], "Gate 1 of the list, '': there is no gate ''"),
        (["cnot 0"], "cnot needs 2 wires, as in `cnot 0 1`"),
        (["rx t0"], "rx needs 1 wire, as in `rx 0`"),
        (["rx -1"], "rx needs 1 wire"),
        (["h 0 t0"], "h has no angle, but got 't0' after its wires"),
        (["rx 0 t0 t1"], "the angle of rx is t0, t1, .. .*, but got 't0 t1'"),
        (["rx 0 pi"], "or a number, but got 'pi'"),
        (["rx 0 nan"], "must be finite, but got nan"),
        (["cnot 1 1"], "control and target must differ"),
        (["rx 2"], r"`0 <= wire < 2` must hold, but got wires \(2,\)"),
        (["rx 0 t1"], "no gate reads 0"),
        ("h 0", "one text per gate, but got the text 'h 0'"),
    ],
)
def test_a_list_that_is_no_circuit_is_refused(lines, sentence):
    with pytest.raises(ValueError, match=sentence):
        circuit_of(2, lines)
