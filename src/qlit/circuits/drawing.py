"""Circuits as text."""

from qlit.circuits.circuit import Circuit
from qlit.circuits.gates import Gate


def draw(circuit: Circuit, *, width: int = 100) -> str:
    """Draw a circuit with one line per wire and every gate as early as possible.

    Args:
        circuit: The circuit.
        width: Longest line, in characters, at least 24; a longer drawing continues below.

    Returns:
        The drawing: `o` is a control, and the `X`, `Z` or rotation joined to it the target; a separate `X`, `Z` or `H`
        is that gate; `t3` is RY by parameter 3, `x3` RY by input angle 3, `RX(t3)` RX by parameter 3, and `RX(1.571)`
        RX by a fixed angle.

    Raises:
        ValueError: If `width < 24`.
    """
    if width < 24:
        raise ValueError(f"`width >= 24` must hold, but got {width=}.")
    names = [f"{wire}: " for wire in range(circuit.num_qubits)]
    indent = max(map(len, names))
    columns = [_column(moment, circuit.num_qubits) for moment in moments(circuit)]

    rows: list[list[list[str]]] = [[]]
    used = indent
    for column in columns:
        if used + len(column[0]) > width:
            rows.append([])
            used = indent
        rows[-1].append(column)
        used += len(column[0])
    return "\n\n".join(
        "\n".join(
            line
            for wire in range(circuit.num_qubits)
            for line in (
                names[wire].rjust(indent) + "".join(column[2 * wire] for column in row),
                (" " * indent + "".join(column[2 * wire + 1] for column in row)).rstrip(),
            )
            if line.strip()
        )
        for row in rows
    )


def moments(circuit: Circuit) -> list[list[Gate]]:
    """Gates grouped in columns; a CNOT occupies all wires that it crosses, so lines never overlap."""
    found: list[list[Gate]] = []
    free_from = [0] * circuit.num_qubits
    for gate in circuit:
        span = range(min(gate.wires), max(gate.wires) + 1)
        at = max(free_from[wire] for wire in span)
        if at == len(found):
            found.append([])
        found[at].append(gate)
        for wire in span:
            free_from[wire] = at + 1
    return found


def _column(moment: list[Gate], num_qubits: int) -> list[str]:
    """2 * num_qubits strings of equal length: for every wire its cell and the gap below it."""
    cells = ["-"] * num_qubits
    gaps = [" "] * num_qubits
    for gate in moment:
        if len(gate.wires) == 2:
            for wire in range(min(gate.wires), max(gate.wires)):
                gaps[wire] = "|"
                cells[wire] = "|"
            cells[gate.wires[0]] = "o"
        cells[gate.wires[-1]] = _cell(gate)
    longest = max(map(len, cells))
    lines: list[str] = []
    for cell, gap in zip(cells, gaps, strict=True):
        lines += [cell.ljust(longest, "-") + "-", gap.ljust(longest + 1)]
    return lines


def _cell(gate: Gate) -> str:
    """The letters of a gate on its target."""
    if not gate.is_rotation:
        return {"cnot": "X", "cz": "Z"}.get(gate.kind, gate.name)
    if gate.value is not None:
        angle = f"{gate.value:.4g}"
    else:
        angle = f"x{gate.angle}" if gate.parameter is None else f"t{gate.parameter}"
    if gate.kind == "ry" and gate.value is None:
        return angle
    return f"{gate.kind[-2:].upper()}({angle})"
