"""Read table files: YAML lists of models with their configs and published results."""

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qlit.runtime.yaml_text import read_yaml
from qlit.runtime.yaml_values import home_expanded, shown


@dataclass(frozen=True)
class PlannedRow:
    """One model of a table.

    Args:
        name: Name of the row.
        config: Config file; a relative path starts at the folder of the table file.
        published: Published test accuracy in per cent.
        options: Config keys with other values; full keys such as "model.head.pqc.num_qubits".
        parameters: Published number of trainable parameters; None if not published.
        seeds: Number of seeds, at least 1; the seeds are 0 to `seeds` - 1.
        epochs: Epochs per training; None to use the config's, also for models that are fitted in one step.
    """

    name: str
    config: Path
    published: float
    options: dict[str, Any]
    parameters: int | None = None
    seeds: int = 10
    epochs: int | None = None


@dataclass(frozen=True)
class Plan:
    """Content of a table file.

    Args:
        title: Title of the table.
        rows: Rows, with different names.
    """

    title: str
    rows: tuple[PlannedRow, ...]


_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "config": str,
    "published": (int, float),
    "options": dict,
    "parameters": int,
    "seeds": int,
    "epochs": int,
}
_BOUNDS = (("seeds", 1, 10_000), ("epochs", 1, 10**6), ("parameters", 0, 10**12), ("published", 0, 100))
_NEEDED = ("name", "config", "published")


def read_plan(path: str | Path) -> Plan:
    """Read a table file: `title`, and `rows` with the keys of `PlannedRow`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a valid table file.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no table {path} (in {Path.cwd()}); check the path.")
    content = read_yaml(file, f"the table {path}")
    if not isinstance(content, dict) or set(content) != {"title", "rows"} or not content["rows"]:
        raise ValueError(f"{path} must have a `title` and `rows`, and nothing else; see configs/README.md.")
    if not isinstance(content["rows"], list) or not isinstance(content["title"], str):
        raise ValueError(f"{path} must have a text as `title` and a list as `rows`; see configs/README.md.")
    rows = tuple(_row(file, number, row) for number, row in enumerate(content["rows"], 1))
    name, count = Counter(row.name for row in rows).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{path} has {'two' if count == 2 else count} rows with the name {shown(name)}; rename one.")
    return Plan(content["title"], rows)


def _row(file: Path, number: int, row: Any) -> PlannedRow:
    where = f"Row {number} of {file}"
    if not isinstance(row, dict):
        raise ValueError(f"{where} must be keys and values, but is {shown(row)}.")
    known = [field.name for field in fields(PlannedRow)]
    if unknown := [key for key in row if key not in known]:
        raise ValueError(f"{where} has the unknown key {shown(unknown[0])}; known are {', '.join(known)}.")
    if missing := [key for key in _NEEDED if key not in row]:
        raise ValueError(f"{where} lacks `{missing[0]}`.")
    for key, value in row.items():
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise ValueError(f"{where} has {key}: {shown(value)}, which has the wrong type.")
    for key, least, most in _BOUNDS:
        if key in row and not least <= row[key] <= most:
            bound = f"{key} >= {least}" if row[key] < least else f"{key} <= {most:,}"
            raise ValueError(f"`{bound}` must hold, but {where[0].lower()}{where[1:]} has {key}: {shown(row[key])}.")
    for key in ("name", "config"):
        if not row[key].strip():
            raise ValueError(f"{where} has no `{key}`: it is empty.")
    if strange := [key for key in row.get("options", {}) if not isinstance(key, str)]:
        raise ValueError(f"{where} has {shown(strange[0])} among its `options`, which is not a config key.")
    return PlannedRow(**{"options": {}, **row, "config": file.parent / home_expanded(row["config"])})
