"""Rows of the CSV files of `qlit report`: every value with its interval, data, body, splits and commit."""

from collections.abc import Sequence
from typing import Any

from qlit.comparisons.paper import CROSSOVER_QUBITS, Level
from qlit.comparisons.planned_cells import CellValue, PartResult, PlannedCell

_COLUMNS = (
    *("cell", "status", "published_percent", "mean_percent", "low_percent", "high_percent", "interval"),
    *("validation_percent", "runs", "splits", "split_fingerprints", "test_sentences", "epochs", "planned_epochs"),
    *("parameters", "published_parameters", "data", "data_fingerprint", "body", "body_fingerprint", "commit"),
    *("run_ids", "command"),
)


def rows_of(result: PartResult) -> list[dict[str, Any]]:
    """Rows with equal columns: one per cell and source, and one per cell without any value."""
    if result.energies is not None:
        return _energy_rows(result)
    commands = {id(each.cell): each.command for each in result.to_train}
    factors = list(dict.fromkeys(name for cell in result.cells for name in cell.levels))
    rows = []
    for cell in result.cells:
        mine: list[CellValue | None] = [each for each in result.values if each.cell is cell]
        for value in mine or [None]:
            rows.append(
                {
                    "cell": cell.name,
                    **_levels(factors, cell),
                    **_cell_row(cell, value),
                    "command": commands.get(id(cell)),
                }
            )
    return rows


def history_rows(result: PartResult) -> list[dict[str, Any]]:
    """Rows of the curves of a training, one per step; empty without any."""
    curves = {name: dict(points) for name, points in (result.history or {}).items()}
    steps = sorted({step for points in curves.values() for step in points})
    return [{"epoch": step, **{name: points.get(step) for name, points in curves.items()}} for step in steps]


def _levels(factors: Sequence[str], cell: PlannedCell) -> dict[str, Level]:
    return {name: cell.levels.get(name) for name in factors}


def _cell_row(cell: PlannedCell, value: CellValue | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS[1:])
    row |= {
        "status": "missing" if value is None else value.diverged_text or "found",
        "published_percent": cell.published,
        "planned_epochs": cell.epochs,
        "published_parameters": cell.parameters,
    }
    if value is None:
        return row
    fits = (*value.fits, *value.diverged)
    row |= {
        "runs": len(value.fits),
        "splits": value.num_splits,
        "split_fingerprints": " ".join(dict.fromkeys(each.split for each in fits)),
        "test_sentences": " ".join(dict.fromkeys(str(each.num_test) for each in fits)),
        "epochs": value.epochs,
        "parameters": value.parameters,
        "data": value.source.data_name,
        "data_fingerprint": value.source.data,
        "body": value.source.body_name,
        "body_fingerprint": value.source.body,
        "commit": " ".join(value.commits),
        "run_ids": " ".join(each.run_id for each in fits),
    }
    if value.has_mean:
        low, high = value.interval
        chosen_by = value.validation_accuracy
        row |= {
            "mean_percent": _percent(value.mean),
            "low_percent": _percent(low),
            "high_percent": _percent(high),
            "interval": value.interval_text,
            "validation_percent": None if chosen_by is None else _percent(chosen_by),
        }
    return row


def _percent(share: float) -> str:
    return f"{100 * share:.4f}"


def _energy_rows(result: PartResult) -> list[dict[str, Any]]:
    found = result.energies
    assert found is not None
    return [
        {
            "qubits": number,
            "qpu_kj": f"{qpu:.6g}",
            "gpu_kj": f"{gpu:.6g}",
            "crossover_qubits": found.crossover,
            "published_crossover_qubits": CROSSOVER_QUBITS,
        }
        for number, qpu, gpu in zip(found.num_qubits, found.qpu_kj, found.gpu_kj, strict=True)
    ]
