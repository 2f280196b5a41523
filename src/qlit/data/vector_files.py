"""Read files of precomputed embeddings: npy, npz, safetensors, parquet, csv and tsv.

Shapes: N rows, D features.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qlit.data.quoting import error_text, quoted, quoted_list
from qlit.data.rows import Columns
from qlit.data.sentence_tables import is_table, rows_of_table

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet", ".csv", ".tsv")
NAMES = ("embeddings", "embedding")
"""Names of the array or column of embeddings."""
_FORMATS = ".npy, .npz, .safetensors, .parquet, .csv or .tsv"


@dataclass(frozen=True)
class VectorFile:
    """Content of a file of embeddings.

    Args:
        vectors: Embeddings, float32, shape (N, D), finite.
        labels: N labels; None if the file has none.
        texts: N texts; None if the file has none.
    """

    vectors: NDArray[np.float32]
    labels: Sequence[object] | None = None
    texts: Sequence[object] | None = None


def is_vector_file(path: Path) -> bool:
    """Whether a file may contain embeddings by its suffix."""
    return path.name.lower().endswith(SUFFIXES)


def read_vectors(path: Path, wanted: Columns) -> VectorFile:
    """Read a file of embeddings. Other types of numbers become float32, the precision of a training.

    Args:
        path: An existing file. A .npy file is one array (N, D). In .npz and .safetensors the array is called
            `embeddings` (or is the only one with two dimensions); labels and texts are arrays with the names of their
            columns, or with an s at their end. In .parquet the embeddings are a column of lists called `embeddings`, or
            all columns except labels and texts; in .csv and .tsv they are all columns except labels and texts.
        wanted: Columns of the texts and the labels.
    Raises:
        ValueError: If the file is broken, has no embeddings, or a row has NaN, infinity or another number of features.
        OSError: If it cannot be read.
    """
    suffix = path.suffix.lower()
    if not is_vector_file(path):
        raise ValueError(f"{path} has no known format of embeddings: its name must end with {_FORMATS}.")
    try:
        if suffix == ".npy":
            return VectorFile(_checked(np.load(path, allow_pickle=False), path))
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return _of_arrays({name: arrays[name] for name in arrays.files}, path, wanted)
        if suffix == ".safetensors":
            return _of_arrays(_safetensors(path), path, wanted)
    except (zipfile.BadZipFile, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({error_text(error)}); write it again.") from error
    except ValueError as error:
        if "pickle" in str(error) or "magic" in str(error):
            raise ValueError(
                f"{path} cannot be read: it is broken, or an array in it has Python objects, which are not loaded; "
                "write numbers, and texts as an array of strings."
            ) from error
        raise
    return _of_parquet(path, wanted) if suffix == ".parquet" else _of_table(path, wanted)


def read_labels(path: Path, wanted: Columns) -> tuple[Sequence[object], Sequence[object] | None]:
    """Read labels, and texts if there are any, from a table or from an array (.npy); values as in the file.

    Raises:
        ValueError: If the file is broken, or a table has no column of labels.
        OSError: If it cannot be read.
    """
    if path.suffix.lower() == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} cannot be read ({error_text(error)}); write numbers or strings.") from error
        return _listed(array, path, "labels"), None
    if not is_table(path):
        raise ValueError(
            f"{path} has no known format of labels: it must be an array (.npy) or a table (.csv, .tsv, .jsonl, .json "
            "or .parquet)."
        )
    columns, rows, _ = rows_of_table(path, (wanted.label,))
    if wanted.label not in columns:
        raise ValueError(
            f"{path} has no column {quoted(wanted.label)}; it has {quoted_list(columns)}. Set `label_column`."
        )
    texts = [row.get(wanted.text) for _, row in rows] if wanted.text in columns else None
    return [row.get(wanted.label) for _, row in rows], texts


def _safetensors(path: Path) -> dict[str, NDArray[Any]]:
    import torch  # numpy has no bfloat16
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error_text(error)}); write it again.") from error
    return {name: (each.float() if each.dtype == torch.bfloat16 else each).numpy() for name, each in tensors.items()}


def _of_arrays(arrays: Mapping[str, NDArray[Any]], path: Path, wanted: Columns) -> VectorFile:
    wide = [name for name, array in arrays.items() if array.ndim == 2]
    name = next((each for each in NAMES if each in arrays), wide[0] if len(wide) == 1 else None)
    if name is None:
        raise ValueError(
            f"{path} has no array called embeddings; it has {quoted_list([*arrays])}. Rename the array of shape (rows, "
            "features)."
        )
    vectors = _checked(arrays[name], path)

    def other(column: str) -> Sequence[object] | None:
        found = next((arrays[each] for each in (column, f"{column}s") if each in arrays), None)
        return None if found is None else _listed(found, path, f"{column}s", len(vectors))

    return VectorFile(vectors, other(wanted.label), other(wanted.text))


def _of_parquet(path: Path, wanted: Columns) -> VectorFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as Parquet ({error_text(error)}); write it again.") from error
    name = next((each for each in NAMES if each in table.column_names), None)
    if name is None:
        names = [each for each in table.column_names if each not in (wanted.text, wanted.label)]
        arrays = [table[each].to_numpy() for each in names]
        if not arrays or any(array.dtype.kind not in "iuf" for array in arrays):
            raise _no_embeddings(path, names)
        vectors = np.stack(arrays, axis=1)
    else:
        lists = table[name].combine_chunks()
        if not (
            pa.types.is_list(lists.type)
            or pa.types.is_large_list(lists.type)
            or pa.types.is_fixed_size_list(lists.type)
        ):
            raise ValueError(f"The column {name!r} of {path} must be lists of numbers, but is {lists.type}.")
        widths = np.unique(lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
        if len(widths) > 1:
            raise ValueError(
                f"The rows of {path} have between {widths[0]} and {widths[-1]} features; all must have equally many."
            )
        vectors = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    others = [table[each].to_pylist() if each in table.column_names else None for each in (wanted.label, wanted.text)]
    return VectorFile(_checked(vectors, path), *others)


def _of_table(path: Path, wanted: Columns) -> VectorFile:
    columns, rows, _ = rows_of_table(path, (wanted.label,))
    names = [name for name in columns if name not in (wanted.text, wanted.label)]
    vectors = np.empty((len(rows), len(names)), dtype=np.float64)
    for number, (place, row) in enumerate(rows):
        try:
            vectors[number] = [float(str(row[name])) for name in names]
        except (ValueError, KeyError) as error:
            if number == 0 or not row:
                raise _no_embeddings(path, names) from error
            raise ValueError(f"The embedding in {place} has a field that is not a number.") from error
    if not names:
        raise _no_embeddings(path, columns)
    others = [[row.get(each) for _, row in rows] if each in columns else None for each in (wanted.label, wanted.text)]
    return VectorFile(_checked(vectors, path), *others)


def _no_embeddings(path: Path, names: Sequence[str]) -> ValueError:
    return ValueError(
        f"{path} has no embeddings: it needs a column of lists called embeddings (.parquet), or numbers in all columns "
        f"except labels and texts, but its other columns are {quoted_list(names)}. Sentences are no embeddings, and a "
        "file does not say which model would embed them."
    )


def _checked(array: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """The array as float32, shape (N, D)."""
    if array.dtype.kind not in "iuf" or array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"The embeddings of {path} must be numbers of shape (rows, features), but are of type {array.dtype} and "
            f"shape {array.shape}."
        )
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
        raise ValueError(
            f"Row {bad[0] + 1} of {path} has an embedding with NaN or infinity ({len(bad):,} of {len(vectors):,} rows "
            "in all); remove these rows, or compute them again."
        )
    return vectors


def _listed(array: NDArray[Any], path: Path, what: str, num_rows: int | None = None) -> Sequence[object]:
    if array.ndim != 1 or array.dtype.kind not in "iuUSbf" or (num_rows is not None and len(array) != num_rows):
        expected = "one value per row" if num_rows is None else f"{num_rows:,} values, one per row"
        raise ValueError(
            f"The {what} of {path} must be {expected}, but are of type {array.dtype} and shape {array.shape}."
        )
    values: list[object] = array.tolist()
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
