"""Origin of a checkpoint: its data set, its labels, and hashes of the sentences that it was trained on."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from qlit.data.cuts import Indices
from qlit.data.datasets import LabelledTexts
from qlit.data.seen import KEY_DIGITS, sentence_keys
from qlit.data.splits import Split


@dataclass(frozen=True)
class Sentences:
    """Hashes of the sentences that a checkpoint was trained and validated on.

    Args:
        trained: Hashes of the training sentences.
        validated: Hashes of the validation sentences, which chose its best epoch.
        digest: 16 hex digits over both and their labels, in their order.
        tested: 16 hex digits over the test sentences of its split and their labels; empty if not recorded.
    """

    trained: frozenset[str]
    validated: frozenset[str]
    digest: str
    tested: str = ""

    @classmethod
    def of(cls, data: LabelledTexts, split: Split) -> Self:
        """Hashes for a model that is trained on a split."""
        trained, validated = (sentence_keys(data.texts[k] for k in part) for part in (split.train, split.validation))
        return cls(trained, validated, digest_of(data, split), digest_of_test(data, split))

    @property
    def both(self) -> frozenset[str]:
        """Hashes of the training and validation sentences."""
        return self.trained | self.validated


@dataclass(frozen=True)
class Origin:
    """Data that a checkpoint was trained on.

    Args:
        label_names: Names of its classes, in their order; None if not recorded.
        dataset: Name of its data set.
        fingerprint: Fingerprint of its split; empty if not recorded.
        sentences: Hashes of its sentences; None in checkpoints of an older qlit.
        num_features: Features of its embeddings; None if not recorded.
        are_pairs: Whether it was trained on pairs of sentences.
    """

    label_names: tuple[str, ...] | None
    dataset: str
    fingerprint: str
    sentences: Sentences | None
    num_features: int | None = None
    are_pairs: bool = False

    @classmethod
    def of(cls, data: LabelledTexts, split: Split, num_features: int | None = None) -> Self:
        """The origin of a model that is trained on a split."""
        return cls(
            data.label_names, data.name, split.fingerprint, Sentences.of(data, split), num_features, data.are_pairs
        )

    def notes(self) -> dict[str, Any]:
        """Convert to plain values for a checkpoint, 16 bytes per sentence."""
        notes: dict[str, Any] = {
            "label_names": None if self.label_names is None else list(self.label_names),
            "dataset": self.dataset,
            "split_fingerprint": self.fingerprint,
            "num_features": self.num_features,
            "are_pairs": self.are_pairs,
        }
        if self.sentences is not None:
            trained, validated = map(_joined, (self.sentences.trained, self.sentences.validated))
            digests = {"digest": self.sentences.digest, "tested": self.sentences.tested}
            notes["sentences"] = {"trained": trained, "validated": validated, **digests}
        return notes

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> Self:
        """Read the plain values in a checkpoint; older checkpoints record less."""
        names, sentences = notes.get("label_names"), notes.get("sentences")
        return cls(
            None if names is None else tuple(names),
            str(notes.get("dataset", "")),
            str(notes.get("split_fingerprint", "")),
            sentences
            and Sentences(
                _cut(sentences["trained"]),
                _cut(sentences["validated"]),
                sentences["digest"],
                sentences.get("tested", ""),
            ),
            notes.get("num_features"),
            bool(notes.get("are_pairs", False)),
        )


def digest_of(data: LabelledTexts, split: Split) -> str:
    """16 hex digits over the sentences and labels of a split's training and validation, in their order."""
    return _digest(data, (split.train, split.validation))


def digest_of_test(data: LabelledTexts, split: Split) -> str:
    """16 hex digits over the test sentences of a split and their labels, in the order of the data."""
    return _digest(data, (split.test,))


def _digest(data: LabelledTexts, parts: Iterable[Indices]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} ".encode())
        for k in part:
            encoded = data.texts[k].encode("utf-8", "surrogatepass")
            digest.update(f"{data.labels[k]} {len(encoded)} ".encode() + encoded)
    return digest.hexdigest()[:16]


def _joined(keys: Iterable[str]) -> str:
    return "".join(sorted(keys))


def _cut(keys: str) -> frozenset[str]:
    return frozenset(keys[start : start + KEY_DIGITS] for start in range(0, len(keys), KEY_DIGITS))
