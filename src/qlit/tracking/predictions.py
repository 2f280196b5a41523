"""Test predictions of a run, kept as a small artifact, so that runs can be compared sentence by sentence.

Shapes: N predicted sentences, k classes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from qlit.data import LabelledTexts, Split
from qlit.tracking.tracker import MLflowTracker

FILE_NAME = "test_predictions.safetensors"
_NOTES = {"label_names", "dataset", "split_fingerprint"}
_CHECKSUM = "sha256"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of test sentences.

    Args:
        indices: Rows of the sentences in the data set, ascending, int64, shape (N,).
        labels: Their true classes, int64, shape (N,).
        probabilities: Probabilities of class 1, shape (N,), or of all k classes, shape (N, k); float32, in [0, 1].
        split_fingerprint: Fingerprint of the split, over sentences, labels and indices of all its parts.
        label_names: Names of the classes.
        dataset: Name of the data set.

    Raises:
        ValueError: If the shapes do not belong together or there is no sentence.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    split_fingerprint: str
    label_names: tuple[str, ...]
    dataset: str

    def __post_init__(self) -> None:
        shapes = [self.indices.shape, self.labels.shape, self.probabilities.shape]
        columns = () if len(self.label_names) == 2 and self.probabilities.ndim == 1 else (len(self.label_names),)
        if not len(self.indices) or shapes != [(len(self.indices),)] * 2 + [(len(self.indices), *columns)]:
            raise ValueError(
                f"Indices, labels and probabilities must be (N,), (N,) and (N,) or (N, {len(self.label_names)}) "
                f"with N > 0, but got {', '.join(map(str, shapes))}."
            )

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable classes, shape (N,); the first one if two are equal."""
        if self.probabilities.ndim == 1:
            return (self.probabilities > 0.5).astype(np.int64)
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the predicted class equals the label, for every sentence, shape (N,)."""
        return np.asarray(self.predicted == self.labels)

    def save(self, path: str | Path) -> None:
        """Write the predictions to a safetensors file, which holds only numbers and text."""
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Content of the file that `save` writes."""
        arrays = {name: getattr(self, name) for name in ("indices", "labels", "probabilities")}
        notes = {"label_names": json.dumps(self.label_names), "dataset": self.dataset}
        notes["split_fingerprint"] = self.split_fingerprint
        return save(arrays, metadata={**notes, _CHECKSUM: _checksum(arrays, notes)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read predictions from a file of `save`.

        Raises:
            ValueError: If the file is of another kind or damaged. Files of earlier versions have no checksum.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                notes = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in ("indices", "labels", "probabilities")}
                checksum = notes.pop(_CHECKSUM, None)
                if notes.keys() != _NOTES or (checksum is not None and checksum != _checksum(arrays, notes)):
                    raise ValueError("it was changed after it was written")
                return cls(
                    **arrays,
                    split_fingerprint=notes["split_fingerprint"],
                    label_names=tuple(json.loads(notes["label_names"])),
                    dataset=notes["dataset"],
                )
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            reason = "it is damaged" if isinstance(error, SafetensorError) else str(error)[:150]
            raise ValueError(f"{path} holds no test predictions of a run: {reason}.") from error


def _checksum(arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, str]) -> str:
    """SHA-256 over arrays, their types and shapes, and notes; 64 hex digits."""
    digest = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def predictions_of(
    texts: LabelledTexts, split: Split, probabilities: ArrayLike, *, rows: ArrayLike | None = None
) -> Predictions:
    """Predictions for the test sentences of a split, from any kind of model.

    Args:
        texts: The data set.
        split: Its split.
        probabilities: Probabilities of class 1, shape (N,), or of all classes, shape (N, k), in the order of
            `split.test` or `rows`.
        rows: Positions in `split.test` of the sentences that were predicted, shape (N,); None for all.
    Raises:
        ValueError: If the numbers of probabilities and sentences differ.
    """
    values = np.asarray(probabilities, dtype=np.float32)
    order: NDArray[np.int64] = np.arange(len(split.test)) if rows is None else np.asarray(rows, dtype=np.int64)
    if len(values) != len(order):
        raise ValueError(f"Every one of {len(order)} test sentences needs a probability, but got {len(values)}.")
    ascending = np.argsort(order, kind="stable")
    indices = split.test[order[ascending]]
    return Predictions(
        indices=indices,
        labels=np.asarray(texts.labels, dtype=np.int64)[indices],
        probabilities=np.ascontiguousarray(values[ascending]),
        split_fingerprint=split.fingerprint,
        label_names=texts.label_names,
        dataset=texts.name,
    )


def keep_predictions(tracker: MLflowTracker, predictions: Predictions) -> None:
    """Log predictions as the artifact `FILE_NAME` of a run: about 12 bytes per sentence and class."""
    tracker.log_bytes(predictions.to_bytes(), FILE_NAME)


def gathered(*parts: Tensor) -> list[NDArray[Any]]:
    """Concatenate the rows of all processes; every process must call this function.

    Args:
        parts: Tensors of this process, shape (n, ...), where n may differ between processes.
    """
    own = [part.detach().cpu().numpy() for part in parts]
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return own
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, own)
    return [np.concatenate(each) for each in zip(*everyone, strict=True)]
