"""The sources of a data set: sentences or embeddings, pooled or in splits, and files for validation and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from qlit.data.datasets import SAMPLE, LabelledTexts, Source, labelled, read_source
from qlit.data.labels import OF_CHECKPOINT, OF_TRAINING
from qlit.data.local_paths import existing_path
from qlit.data.notices import Notice
from qlit.data.quoting import enumerated
from qlit.data.rows import Columns, Part, Role
from qlit.data.vectors import VectorText, read_vector_source

Splits = Literal["few_shot", "given"]

KEYS = (
    *("source", "text_column", "label_column", "splits", "validation_source", "test_source"),
    *("embeddings", "labels", "second_text_column"),
)
"""Keys of the section `data` that decide which sentences or embeddings are read."""


@dataclass(frozen=True)
class Sources:
    """Where labelled sentences or embeddings come from, and whether their splits count.

    Args:
        source, text_column, label_column: As of `load_texts`.
        splits: "few_shot" to pool all splits of `source`; "given" to keep them.
        validation_source: Source of validation sentences in place of those of `source`; only with "given".
        test_source: Source of test sentences in place of those of `source`.
        embeddings: A file or folder of embeddings, as of `read_vector_source`, in place of `source`; the other sources
            are then embeddings, too, with labels in the same files. None for sentences.
        labels: Labels of `embeddings`, as of `read_vector_source`; None if its files contain them.
        second_text_column: As of `load_texts`.
    Raises:
        ValueError: If there is a validation source without given splits, labels without embeddings, or a source is
            empty; if the second sentences of pairs have no column of their own, or come with embeddings.
    """

    source: str
    text_column: str = "text"
    label_column: str = "label"
    splits: Splits = "few_shot"
    validation_source: str | None = None
    test_source: str | None = None
    embeddings: str | None = None
    labels: str | None = None
    second_text_column: str = ""

    def __post_init__(self) -> None:
        self.columns.check_distinct()
        if self.second_text_column and self.embeddings is not None:
            raise ValueError(
                "`data.second_text_column` names sentences, but `data.embeddings` has none: write both embeddings of a "
                "pair into one row of 2 D features, the first sentence first, and leave `second_text_column` out."
            )
        if self.labels is not None and self.embeddings is None:
            raise ValueError("`data.labels` are labels of `data.embeddings`; name those, or leave the labels out.")
        if "" in (self.embeddings, self.labels):
            raise ValueError("`data.embeddings` or `data.labels` is empty; name a file, or leave it out.")
        if self.validation_source is not None and self.splits != "given":
            raise ValueError(
                "`data.validation_source` needs `data.splits: given`, because few-shot splits draw their own "
                "validation sentences."
            )
        for role, source in self._others.items():
            if not source:
                raise ValueError(f"`data.{role}_source` is empty; name a file, or leave it out.")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The sources that the section `data` of a resolved config names; an older config lacks later keys."""
        return cls(**{key: data[key] for key in KEYS if key in data})

    @property
    def columns(self) -> Columns:
        """Columns of the sentences and the labels."""
        return Columns(self.text_column, self.label_column, self.second_text_column)

    @property
    def names(self) -> list[str]:
        """All sources, as in the config."""
        main = [self.source] if self.embeddings is None else [self.embeddings, *filter(None, [self.labels])]
        return [*main, *self._others.values()]

    @property
    def are_here(self) -> bool:
        """Whether all sources are on this machine, as a file or folder or the sample."""
        return all(map(is_here, self.names))

    def source_of(self, role: Role) -> str:
        """The source of the training, validation or test sentences."""
        return self._others.get(role) or self.embeddings or self.source

    def load(self, label_names: Sequence[str] | None = None) -> LabelledTexts:
        """Load all sentences; with roles if splits are given or there is a test source.

        Args:
            label_names: As of `load_texts`.
        Raises:
            ValueError: If a file has labels that the training data does not have; and as `load_texts`, whose other
                errors are raised, too.
        """
        is_pooled = self.splits == "few_shot" and self.test_source is None
        read = self._read_main()
        if is_pooled:
            return replace(labelled(read, label_names=label_names), roles=())
        data = labelled(self._parted(read), label_names=label_names)
        for role, source in self._others.items():
            names, owner = (data.label_names, OF_TRAINING) if label_names is None else (label_names, OF_CHECKPOINT)
            data = _joined(data, self._load_other(role, source, names, owner))
        if self.embeddings is not None:
            _check_width(data)
        return data

    def load_test(self, label_names: Sequence[str]) -> LabelledTexts:
        """Load the sentences of the test source alone, for a checkpoint with these classes.

        Raises: as `load`.
        """
        assert self.test_source is not None, "only called with a test source"
        return self._load_other("test", self.test_source, label_names, OF_CHECKPOINT)

    @property
    def _others(self) -> dict[Role, str]:
        named: dict[Role, str | None] = {"validation": self.validation_source, "test": self.test_source}
        return {role: source for role, source in named.items() if source is not None}

    def _read_main(self) -> Source:
        if self.embeddings is not None:
            return read_vector_source(self.embeddings, self.labels, self.columns)
        return read_source(self.source, self.columns)

    def _read_other(self, source: str) -> Source:
        if self.embeddings is not None:
            return read_vector_source(source, None, self.columns)
        return read_source(source, self.columns)

    def _load_other(self, role: Role, source: str, names: Sequence[str], owner: str) -> LabelledTexts:
        data = labelled(self._read_other(source), label_names=names, owner=owner)
        return replace(data, roles=(role,) * len(data))

    def _parted(self, read: Source) -> Source:
        """The main source with the parts that are used, in their roles, and a notice about the others."""
        parts, notices = list(read.found.parts), list(read.found.notices)
        if len(parts) == 1 and not parts[0].role:  # a file
            parts = [parts[0]._replace(role="train")]
        replaced = [part for part in parts if part.role in self._others]
        if replaced:
            notices.append(_left_out("replaced", replaced, "another source replaces them"))
        kept = [part for part in parts if part not in replaced]
        if self.splits == "few_shot":
            kept = [part._replace(role="") for part in kept]
        elif unknown := [part for part in kept if not part.role]:
            kept = [part for part in kept if part.role]
            notices.append(_left_out("no_role", unknown, "their names state neither train, validation nor test"))
        if not any(part.role in ("train", "") for part in kept):
            raise ValueError(
                f"{read.name} has no training split: with `data.splits: given` a file or split must be called train "
                "(train.tsv, train-00000-of-00001.parquet); or name one file of training sentences as `data.source`."
            )
        return read._replace(found=replace(read.found, parts=kept, notices=notices))


def is_here(source: str) -> bool:
    """Whether a source is on this machine, as a file or folder or the sample."""
    return source == SAMPLE or existing_path(source) is not None


def _left_out(key: str, parts: Sequence[Part], why: str) -> Notice:
    listed = enumerated([f"{len(part.rows):,} of {part.name}" for part in parts])
    return Notice(key, f"Sentences were left out, because {why}: {listed}.")


def _check_width(data: LabelledTexts) -> None:
    widths = {len(text.vector): text.shown for text in data.texts if isinstance(text, VectorText)}
    if len(widths) > 1:
        (first, one), (second, other) = list(widths.items())[:2]
        raise ValueError(
            f"The embeddings of {data.name} have {first} features ({one}) and {second} features ({other}): all must "
            "come from the same model."
        )


def _joined(data: LabelledTexts, other: LabelledTexts) -> LabelledTexts:
    """Append the sentences of another source, whose labels have the same numbers."""
    notices = {notice.key: notice for notice in data.notices}
    for notice in other.notices:
        before = f"{notices[notice.key].text} " if notice.key in notices else ""
        notices[notice.key] = Notice(notice.key, f"{before}{notice.text}")
    return replace(
        data,
        texts=data.texts + other.texts,
        labels=data.labels + other.labels,
        name=f"{data.name} + {other.name}",
        note=data.note or other.note,
        notices=tuple(notices.values()),
        roles=data.roles + other.roles,
    )
