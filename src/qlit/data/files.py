"""Read local data files and folders of data files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qlit.data.decoding import COMPRESSIONS, text_of
from qlit.data.json_tables import table_of_json, table_of_json_lines
from qlit.data.local_paths import shown_name
from qlit.data.notices import Notice
from qlit.data.parquet_table import table_of_parquet
from qlit.data.quoting import enumerated
from qlit.data.rows import Columns, Found, Part, Unlabelled, role_of
from qlit.data.separated_values import table_of_csv, table_of_tsv
from qlit.data.tables import NoTableError, Table, refuse_other_separator, require_columns

_READERS = {".tsv": table_of_tsv, ".csv": table_of_csv, ".jsonl": table_of_json_lines, ".json": table_of_json}
SUFFIXES = (*_READERS, ".parquet", *(f"{text}{end}" for text in _READERS for end in COMPRESSIONS))
_FORMATS = "{0}.tsv, {0}.csv, {0}.jsonl, {0}.json, {0}.parquet, or one of the first four compressed as .gz, .bz2 or .xz"
_SPLIT_ORDER = ("train", "validation", "test", "")
# Columns of the output of `qlit predict`. Its labels come from a model, so they are refused as training or test data.
PREDICTION_COLUMNS = ("text", "label", "probability")
# Files often found in data folders that contain no data. A notice lists every other file that is not read.
_NO_DATA_SUFFIXES = {
    *(".md", ".rst", ".pdf", ".bib", ".html", ".png", ".jpg", ".jpeg", ".svg"),
    *(".py", ".ipynb", ".r", ".sh", ".yaml", ".yml", ".toml", ".lock", ".md5", ".sha256"),
}
_NO_DATA_NAMES = re.compile(
    r"(readme|licen[cs]e|copying|notice|citation|authors|changelog|makefile|dockerfile)\b", re.I
)


def read_path(path: Path, wanted: Columns) -> Found:
    """Read all rows of a file, or of every data file directly in a folder, with notices about omitted files.

    The files of a folder are pooled in the order train, dev (validation, valid), test, then the others by name.

    Args:
        path: An existing file or folder.
        wanted: Columns of the sentences and the labels.
    Raises:
        ValueError: If no file has a known format, a split exists in two formats, a column is missing, or a file is
            broken or contains predictions of qlit.
        OSError: If a file cannot be read.
    """
    if path.is_dir():
        return _read_folder(path, wanted)
    table = _read_file(path, wanted)
    _require_labelled(table, path, wanted)
    return Found([Part(shown_name(path), table.rows)], notices=_reading_notices({path: table}))


def _read_folder(folder: Path, wanted: Columns) -> Found:
    files, others = _contents(folder)
    left_out = [f"{shown_name(other)}{'/' if other.is_dir() else ''} (not read)" for other in others]
    _refuse_doubled(folder, files)
    tables: dict[Path, Table] = {}
    for file in files:
        try:
            tables[file] = _read_file(file, wanted)
        except NoTableError:
            left_out.append(f"{shown_name(file)} (no list of objects)")
    if not tables:
        there = f"; it contains {enumerated(left_out)}" if left_out else ""
        raise ValueError(f"{folder} contains no data file; it needs at least one of {_FORMATS.format('*')}{there}.")
    labelled = {file: table for file, table in tables.items() if _is_labelled(table, wanted)}
    if not labelled:
        file, table = next(iter(tables.items()))
        _require_labelled(table, file, wanted)
    unlabelled = []
    for file, table in tables.items():
        has_sentences = {*wanted.texts} <= {*table.columns} or len(
            table.columns
        ) == 1  # a file of sentences may have no header
        if file in labelled:
            left_out += [] if table.rows else [f"{shown_name(file)} (no rows)"]
        elif _holds_predictions(table):
            left_out.append(f"{shown_name(file)} (predictions of qlit)")
        elif wanted.label not in table.columns and has_sentences:
            refuse_other_separator(table.columns, file, wanted.names)
            unlabelled.append(Unlabelled(shown_name(file), table.num_rows, f"no column {wanted.label!r}"))
        else:
            require_columns(table.columns, file, wanted, way_out="or take it out of the folder")
    notices = _reading_notices(labelled)
    if left_out:
        notices.append(Notice("left_out", f"Left out of the data folder {shown_name(folder)}: {enumerated(left_out)}."))
    parts = [Part(shown_name(file), table.rows, role_of(file.stem)) for file, table in labelled.items()]
    return Found(parts, unlabelled, notices)


def _contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """Data files of a folder, in reading order, and entries that may contain data but are not read."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise OSError(f"The folder {folder} cannot be read ({error.strerror}).") from error
    files, others = [], []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if _holds_data_files(entry):
                others.append(entry)
        elif entry.name.lower().endswith(SUFFIXES):
            files.append(entry)
        elif entry.suffix.lower() not in _NO_DATA_SUFFIXES and not _NO_DATA_NAMES.match(entry.name):
            others.append(entry)
    return sorted(files, key=lambda file: (_split_rank(file), file.name)), others


def _holds_data_files(folder: Path) -> bool:
    try:
        return any(entry.name.lower().endswith((*SUFFIXES, ".arrow", ".txt")) for entry in folder.iterdir())
    except OSError:
        return True  # unknown, so mention the folder


def _split_rank(path: Path) -> int:
    return _SPLIT_ORDER.index(role_of(path.stem))


def _refuse_doubled(folder: Path, files: Sequence[Path]) -> None:
    stems = {file: file.name[: -len(_suffix(file))] for file in files}
    for stem, count in Counter(stems.values()).items():
        if count > 1:
            doubled = enumerated([file.name for file in files if stems[file] == stem])
            raise ValueError(f"{folder} contains {doubled}, which would be pooled; keep only one of them.")


def _suffix(path: Path) -> str:
    """The longest known suffix of a file's name, in lower case."""
    return max((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), key=len, default="")


def _read_file(path: Path, wanted: Columns) -> Table:
    suffix = _suffix(path)
    if not suffix:
        raise ValueError(f"{path} has an unknown format: its name must end with one of {_FORMATS.format('')}.")
    if suffix == ".parquet":
        return table_of_parquet(path, wanted)
    read = next(_READERS[kind] for kind in _READERS if kind == suffix or suffix.startswith(f"{kind}."))
    return read(text_of(path), path, wanted)


def _is_labelled(table: Table, wanted: Columns) -> bool:
    return {*wanted.names} <= {*table.columns} and not _holds_predictions(table)


def _holds_predictions(table: Table) -> bool:
    # With pairs there are second sentences, with --all the probabilities of all labels.
    others = set(table.columns) - {*PREDICTION_COLUMNS, "second_text"}
    return set(PREDICTION_COLUMNS) <= set(table.columns) and all(name.startswith("probabilit") for name in others)


def _require_labelled(table: Table, path: Path, wanted: Columns) -> None:
    require_columns(table.columns, path, wanted)
    if _holds_predictions(table):
        raise ValueError(
            f"{path} contains predictions of qlit (columns {', '.join(PREDICTION_COLUMNS)}), whose labels come from a "
            "model; to use them as data nevertheless, remove the column probability."
        )


def _reading_notices(tables: dict[Path, Table]) -> list[Notice]:
    """Notices about what reading changed or may have missed: one per kind, over all files of a source."""
    notices = []
    unquoted = [
        f"{table.num_unquoted:,} of {table.num_rows:,} rows of {shown_name(file)}"
        for file, table in tables.items()
        if table.num_unquoted
    ]
    if unquoted:
        text = f"Quotes around fields, as written by pandas and CSV writers, were removed in {enumerated(unquoted)}."
        notices.append(Notice("quotes", text))
    doubtful = [
        f"{table.num_doubtful:,} {'row' if table.num_doubtful == 1 else 'rows'} of {shown_name(file)}"
        for file, table in tables.items()
        if table.num_doubtful
    ]
    if doubtful:
        text = (
            f"Quotes in {enumerated(doubtful)} look like those of CSV writers, but others in the file do not, so all "
            "quotes are read as characters of the sentences."
        )
        notices.append(Notice("doubtful_quotes", text))
    empty = [f"{table.num_empty:,} in {shown_name(file)}" for file, table in tables.items() if table.num_empty]
    if empty:
        notices.append(Notice("empty_lines", f"Empty lines were skipped: {enumerated(empty)}."))
    return notices
