"""Rows of embeddings in place of sentences: recognised by their vectors, shown by their texts or places.

Shapes: N rows, D features.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qlit.data.datasets import Source
from qlit.data.local_paths import existing_path, shown_name, source_in_words
from qlit.data.notices import Notice
from qlit.data.pairs import shown
from qlit.data.quoting import enumerated
from qlit.data.rows import Columns, Found, Part, Row, role_of
from qlit.data.seen import KEY_DIGITS
from qlit.data.vector_files import VectorFile, is_vector_file, read_labels, read_vectors

_ROLES = ("train", "validation", "test", "")


class VectorText(str):
    """Stands for an embedding where a sentence is expected: equal for equal vectors, so that duplicates are found.

    Args:
        vector: The embedding, float32, shape (D,).
        shown: Its text, or its place if it has none, for people.
    """

    vector: NDArray[np.float32]
    shown: str

    def __new__(cls, vector: NDArray[np.float32], shown: str) -> "VectorText":
        key = hashlib.sha256(f"{len(vector)} ".encode() + (vector + np.float32(0)).astype("<f4").tobytes()).hexdigest()
        made = super().__new__(cls, f"vector {key[:KEY_DIGITS]}")
        made.vector, made.shown = vector, shown
        return made


def no_body(embeddings: str) -> ValueError:
    """Error for sentences where only embeddings can be used."""
    return ValueError(
        f"The model was trained on embeddings of a file ({shown_name(Path(embeddings))}), not on sentences: it has no "
        "body that would embed a sentence in the same way. Give embeddings of the same model: `qlit predict "
        "--embeddings FILE`, or `qlit test --data.test_source FILE`."
    )


def no_vectors(body: str) -> ValueError:
    """Error for embeddings where only sentences can be used."""
    return ValueError(
        f"The checkpoint was trained on sentences, which the body {body} embeds, and not on embeddings of a file, "
        "which may come from another model: give sentences."
    )


def vectors_of(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embeddings of rows from `read_vector_source`, shape (N, D)."""
    return np.stack([text.vector for text in texts if isinstance(text, VectorText)])


def shown_texts(texts: Sequence[str]) -> list[str]:
    """Sentences, pairs, or texts or places of embeddings, for people."""
    return [text.shown if isinstance(text, VectorText) else shown(text) for text in texts]


def read_vector_source(source: str, labels: str | None, wanted: Columns) -> Source:
    """Read a file of embeddings, or a folder of them, with labels in the same files or in others.

    Args:
        source: A file or a folder; the first word of a file name states its role, as for sentences.
        labels: A file of labels, row by row; for a folder, a folder with files of the same names before the suffix.
            None if the files of embeddings contain the labels.
        wanted: Columns of the texts, which are optional, and of the labels.
    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If a file is broken or has no labels, rows and labels differ in number, or files in their features.
        OSError: If a file cannot be read.
    """
    path = _path(source, "embeddings")
    files, notices = _files(path)
    of_labels = {file: _labels_file(file, path, labels) for file in files}
    parts, width = list[Part](), 0
    for file in files:
        found = read_vectors(file, wanted)
        if width not in (0, found.vectors.shape[1]):
            raise ValueError(
                f"The embeddings of {file} have {found.vectors.shape[1]} features, but those of {files[0]} have "
                f"{width}: all must come from the same model."
            )
        width = found.vectors.shape[1]
        role = role_of(file.stem) if path.is_dir() else ""
        rows = _rows(file, found, of_labels[file], wanted)
        parts.append(Part(shown_name(file), rows, role))
    return Source(Found(parts, notices=notices), shown_name(path.resolve()))


def read_vectors_to_label(source: str, *, text_column: str = "text") -> list[VectorText]:
    """Read the embeddings of a file without labels, or with a column `label` that is ignored.

    Args:
        source: A file.
        text_column: Column of the texts, which are optional.
    Raises:
        FileNotFoundError: If it does not exist.
        ValueError, OSError: As `read_vectors`.
    """
    path = _path(source, "embeddings")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file of embeddings.")
    found = read_vectors(path, Columns(text_column, "label"))
    places = [f"row {number} of {path.name}" for number in range(1, len(found.vectors) + 1)]
    names = places if found.texts is None else [_shown(each, at) for each, at in zip(found.texts, places, strict=True)]
    return [VectorText(vector, text) for vector, text in zip(found.vectors, names, strict=True)]


def _path(source: str, key: str) -> Path:
    path = existing_path(source)
    if path is None:
        raise FileNotFoundError(f"There is no file or folder of {key} {source_in_words(source)}; check the path.")
    return path


def _files(path: Path) -> tuple[list[Path], list[Notice]]:
    """The files of embeddings at a path, in the order of their roles, and a notice about others in a folder."""
    if not path.is_dir():
        return [path], []
    entries = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=lambda each: each.name)
    files = [entry for entry in entries if entry.is_file() and is_vector_file(entry)]
    if not files:
        raise ValueError(f"{path} contains no file of embeddings (.npy, .npz, .safetensors, .parquet, .csv or .tsv).")
    others = [shown_name(entry) for entry in entries if entry not in files]
    text = f"Left out of the folder of embeddings {shown_name(path)}: {enumerated(others)}."
    return sorted(files, key=lambda file: _ROLES.index(role_of(file.stem))), [
        Notice("left_out", text)
    ] if others else []


def _labels_file(file: Path, path: Path, labels: str | None) -> Path | None:
    """The file of labels that belongs to a file of embeddings."""
    if labels is None:
        return None
    found = _path(labels, "labels")
    if found.is_dir() != path.is_dir():
        kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise ValueError(f"`data.embeddings` is {kinds[0]}, but `data.labels` is {kinds[1]}; give two of one kind.")
    if not found.is_dir():
        return found
    matching = sorted(each for each in found.iterdir() if each.is_file() and each.name.partition(".")[0] == file.stem)
    if len(matching) != 1:
        there = f"it has {enumerated([each.name for each in matching])}" if matching else "it has none"
        raise ValueError(f"The folder {found} needs one file called {file.stem}, with the labels of {file}; {there}.")
    return matching[0]


def _rows(file: Path, found: VectorFile, labels_file: Path | None, wanted: Columns) -> list[Row]:
    labels, texts, where = found.labels, found.texts, file
    if labels_file is not None:
        labels, of_labels = read_labels(labels_file, wanted)
        texts, where = of_labels if texts is None else texts, labels_file
    if labels is None:
        raise ValueError(
            f"{file} has no labels called {wanted.label!r}: add them to the file, name a file of labels as "
            "`data.labels`, or set `data.label_column`."
        )
    if len(labels) != len(found.vectors):
        raise ValueError(
            f"{file} has {len(found.vectors):,} embeddings, but {where} has {len(labels):,} labels; there must be one "
            "label per embedding, in the same order."
        )
    places = [f"row {number} of {file.name}" for number in range(1, len(labels) + 1)]
    names = places if texts is None else [_shown(text, place) for text, place in zip(texts, places, strict=True)]
    return [
        Row((VectorText(vector, text),), label, place)
        for vector, text, label, place in zip(found.vectors, names, labels, places, strict=True)
    ]


def _shown(text: object, place: str) -> str:
    return text if isinstance(text, str) and text.strip() else place
