"""Read Parquet files as tables."""

from pathlib import Path

from qlit.data.quoting import error_text
from qlit.data.rows import Columns, Row
from qlit.data.tables import Table, positions


def table_of_parquet(path: Path, wanted: Columns) -> Table:
    """Read a Parquet file.

    Args:
        path: The file.
        wanted: Columns of the sentences and the labels.
    Raises:
        ValueError: If it is broken or not a Parquet file, or one of these columns occurs twice.
    """
    import pyarrow as pa  # takes a third of a second
    import pyarrow.parquet as pq

    try:
        columns = pq.read_schema(path).names
        if positions(columns, path, wanted) is None:
            return Table(columns, [], pq.read_metadata(path).num_rows)
        table = pq.read_table(path, columns=list(wanted.names))
        values = zip(*(table[name].to_pylist() for name in wanted.names), strict=True)
        rows = [
            Row(tuple(texts), label, f"row {n} of {path.name}") for n, (*texts, label) in enumerate(values, start=1)
        ]
    except UnicodeDecodeError as error:
        raise ValueError(f"A text in {path} is not UTF-8 ({error.reason}); write the file again.") from error
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as Parquet ({error_text(error)}); write it again.") from error
    return Table(columns, rows, len(rows))


def objects_of_parquet(path: Path) -> tuple[list[str], list[tuple[str, dict[str, object]]]]:
    """All columns of a Parquet file, and its rows with their places.

    Args:
        path: The file.
    Raises:
        ValueError: If it is broken or not a Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        rows = [(f"row {n} of {path.name}", row) for n, row in enumerate(table.to_pylist(), start=1)]
    except UnicodeDecodeError as error:
        raise ValueError(f"A text in {path} is not UTF-8 ({error.reason}); write the file again.") from error
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as Parquet ({error_text(error)}); write it again.") from error
    return table.column_names, rows
