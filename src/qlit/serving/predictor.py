"""A trained model with its body: sentences in, probabilities of labels out.

Shapes: N sentences, B a batch, D features, k classes.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qlit.data import BodyEmbedder, BodyFolder, Embeddings, Notice
from qlit.data.dimensions import embedding_dim_of
from qlit.data.lengths import Lengths, cut_notice
from qlit.data.vectors import no_body, no_vectors, shown_texts
from qlit.heads import Head
from qlit.jobs.checks.engines import check_engines
from qlit.jobs.config.checkpoint_config import check_remote_devices
from qlit.jobs.config.checkpoints import load_checkpoint, load_module_weights, read_checkpoint
from qlit.jobs.config.trained_models import trained_model_of
from qlit.runtime.yaml_text import load_yaml
from qlit.serving.inputs import check_embeddings, checked_sentences
from qlit.training.checkpoints.notes import check_label_names
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.logits import BATCH_SIZE, logits_in_batches, probabilities_of, seed_of_row
from qlit.training.sentence_model import Classifies

Pairs = Sequence[tuple[str, str]]
Texts = Sequence[str] | Pairs | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prediction:
    """Prediction for one sentence or pair.

    Args:
        label: The most probable label.
        probability: Its probability, in [0, 1].
        probabilities: Probabilities of all labels, by name.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


@final
class Predictor:
    """Labels sentences with a model whose weights are loaded.

    Args:
        module: The model in evaluation mode, with its weights, and its body if that was trained.
        body: The body; None for a model that was trained on embeddings of a file.
        label_names: Names of the k classes.
        notes: Notes of the checkpoint: config, dataset, scores, run.
        device: Torch device of the head and the body.
        embed: Function that embeds N sentences with a frozen body; None for a body that stays in memory and stores
            nothing.
        seed: Seed of shots and gate noise; together with a sentence it determines the draws for this sentence.
        exact: Whether to compute exact expectation values instead of drawing shots and gate noise.
        are_pairs: Whether the model labels pairs of sentences.
    Raises:
        ValueError: If the embeddings of the body do not fit the head, or `exact` is not possible.
    """

    def __init__(
        self,
        module: Classifies,
        body: BodyFolder | None,
        label_names: Sequence[str],
        notes: dict[str, Any],
        *,
        device: str = "cpu",
        embed: Callable[[Sequence[str]], Embeddings] | None = None,
        seed: int = 0,
        exact: bool = False,
        are_pairs: bool = False,
    ) -> None:
        self.module, self._body, self.label_names, self.notes = module.to(device), body, tuple(label_names), notes
        self._device, self._seed = device, seed
        self.are_pairs = are_pairs
        """Whether the model labels pairs of sentences instead of single ones."""
        if exact:
            module.head.make_exact()
        self._embed = embed
        if body is not None and module.body is None:
            if (dim := embedding_dim_of(body.path, of_pairs=self.are_pairs)) is not None:
                module.head.check_features(dim)  # before the body is loaded
            self._embed = embed or BodyEmbedder(body, device).embed

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        *,
        body: str | None = None,
        trust_remote_code: bool = False,
        device: str = "cpu",
        uses_cache: bool = False,
        seed: int = 0,
        exact: bool = False,
    ) -> Self:
        """The model of a checkpoint.

        Args:
            path: A best.ckpt or last.ckpt of `qlit fit`.
            body: Body to use instead of the one that the checkpoint names, as of `resolve_body`.
            trust_remote_code: Whether Python code of the body may run.
            device: Torch device of the model.
            uses_cache: Whether embeddings are read from and stored in the embedding cache on disk.
            seed: Seed of shots and gate noise, as of the class.
            exact: Whether to compute exact expectation values, as of the class.
        Raises:
            FileNotFoundError: If there is no checkpoint or body.
            ValueError: If the device, the checkpoint or the body cannot be used here, or `exact` is not possible.
        """
        check_device(device)
        return cls.from_parts(
            read_checkpoint(path),
            body=body,
            trust_remote_code=trust_remote_code,
            device=device,
            uses_cache=uses_cache,
            seed=seed,
            exact=exact,
        )

    @classmethod
    def from_parts(
        cls,
        checkpoint: dict[str, Any],
        *,
        body: str | None,
        trust_remote_code: bool,
        device: str,
        uses_cache: bool = False,
        seed: int = 0,
        exact: bool = False,
    ) -> Self:
        """The model of a checkpoint that was read; arguments and errors as `from_checkpoint`.

        Args:
            checkpoint: Weights (`state_dict`) and notes; its classes are checked.
        """
        notes = checkpoint[CHECKPOINT_KEY]
        module, data = trained_model_of(notes["config"])
        check_remote_devices(module.head)
        check_engines(module.head)
        label_names = check_label_names(notes, module.head.num_classes)
        if data.embeddings is not None:
            load_module_weights(module, checkpoint["state_dict"])
            return cls(module, None, label_names, notes, device=device, seed=seed, exact=exact)
        found = load_checkpoint(module, data, checkpoint, body, trust_remote_code=trust_remote_code)
        embed = None
        if uses_cache:
            cache = data.embedding_cache()

            def embed(sentences: Sequence[str]) -> Embeddings:
                return cache.embed(sentences, found, device=device)

        return cls(
            module,
            found,
            label_names,
            notes,
            device=device,
            embed=embed,
            seed=seed,
            exact=exact,
            are_pairs=data.are_pairs,
        )

    @property
    def body(self) -> BodyFolder:
        """The body.

        Raises:
            ValueError: If the model was trained on embeddings of a file.
        """
        if self._body is None:
            raise no_body(str(self.notes.get("dataset") or ""))
        return self._body

    def check_takes_embeddings(self) -> None:
        """Raise a ValueError if the model was trained on sentences, so that it is unknown which embeddings it takes."""
        if self._body is not None:
            raise no_vectors(self._body.name)

    def _check_width(self, num_features: int) -> None:
        trained = self.notes.get("num_features")
        if trained is not None and trained != num_features:
            raise ValueError(
                f"The embeddings have {num_features} features, but the model was trained on {trained}: give embeddings "
                "of the same model."
            )
        self.module.head.check_features(num_features)

    @property
    def sampling_notice(self) -> Notice | None:
        """A notice if the probabilities are estimates from random draws."""
        if not (randomness := self.module.head.randomness):
            return None
        return Notice(
            "sampling",
            f"The probabilities are estimates from {randomness} per sentence (seed {self._seed}); --exact gives "
            "exact ones.",
        )

    def predict(self, sentences: Texts) -> list[Prediction]:
        """Label N >= 1 sentences, or their embeddings, an array of floats of shape (N, D).

        A model of pairs labels pairs, tuples of two sentences, or their embeddings, shape (N, 2 D).

        Shots and gate noise of a sentence depend on its text and the seed, but not on its position or on the other
        sentences. Its probabilities are therefore the same in every call, up to the rounding of embeddings that a body
        computes in batches of different sizes. A device that measures by itself has no seed.

        Raises:
            ValueError: If these are no sentences, an embedding does not fit the head, or an output is not finite.
        """
        return self.predictions(self.logits(sentences))

    def predictions(self, logits: Tensor) -> list[Prediction]:
        """Predictions for logits, shape (N, 1) or (N, k)."""
        probabilities = probabilities_of(logits)
        best, chosen = probabilities.max(dim=1)
        return [
            Prediction(self.label_names[label], probability, dict(zip(self.label_names, row, strict=True)))
            for label, probability, row in zip(chosen.tolist(), best.tolist(), probabilities.tolist(), strict=True)
        ]

    def predict_proba(self, sentences: Texts) -> NDArray[np.float64]:
        """Probabilities of all labels, float64, shape (N, k) in the order of `label_names`.

        Args:
            sentences: N >= 1 sentences, pairs or embeddings, as of `predict`.
        Raises: as `predict`.
        """
        found: NDArray[np.float64] = probabilities_of(self.logits(sentences)).numpy()
        return found

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str] | Pairs) -> NDArray[np.float32]:
        """Embeddings of N >= 1 sentences by the model's body, float32, shape (N, D); of pairs, (N, 2 D).

        Raises:
            ValueError: If these are no sentences, or the body fails.
        """
        sentences = checked_sentences(sentences, are_pairs=self.are_pairs)
        embeddings, _ = self._embedded(sentences)
        if embeddings is None:
            batches = [sentences[first : first + BATCH_SIZE] for first in range(0, len(sentences), BATCH_SIZE)]
            embeddings = torch.cat([self._embedded_by_trained_body(batch).cpu() for batch in batches])
        found: NDArray[np.float32] = embeddings.float().numpy()
        return found

    @property
    def head(self) -> Head:
        """The trained head, a torch module from embeddings (B, D) to logits (B, 1) or (B, k)."""
        return self.module.head

    @property
    def config(self) -> dict[str, Any]:
        """Config of the training."""
        return dict(load_yaml(str(self.notes["config"]), "the config of the checkpoint"))

    def logits(self, sentences: Texts) -> Tensor:
        """Logits, shape (N, 1) or (N, k), on the CPU.

        Args:
            sentences: As of `predict_proba`.
        Raises: as `predict`.
        """
        if isinstance(sentences, np.ndarray) and sentences.dtype.kind == "f":
            check_embeddings(sentences)
            self._check_width(sentences.shape[1])
            names = [f"row {row}" for row in range(len(sentences))]
            seeds = [seed_of_row(row, self._seed) for row in sentences]
            return self.logits_of(torch.tensor(sentences), names, seeds=seeds)
        sentences = checked_sentences(sentences, are_pairs=self.are_pairs)
        inputs, _ = self.prepared(sentences)
        return self.logits_of(inputs, sentences)

    @torch.inference_mode()
    def prepared(self, sentences: Sequence[str]) -> tuple[Tensor | None, Notice | None]:
        """Embeddings of a frozen body, shape (N, D), or None for a trained body; and a notice on truncated sentences.

        Args:
            sentences: N sentences, or N pairs as of `qlit.data.pairs`, as from `checked_sentences`.
        Raises:
            ValueError: If the body fails.
        """
        embeddings, lengths = self._embedded(sentences)
        return embeddings, cut_notice(self.body.name, {"": lengths}, sentences)

    def _embedded(self, sentences: Sequence[str]) -> tuple[Tensor | None, Lengths]:
        if self.module.body is not None:
            return None, self.module.body.lengths(list(sentences))
        if self._embed is None:
            raise no_body(str(self.notes.get("dataset") or ""))
        embeddings, lengths = self._embed(sentences)
        self.module.head.check_features(embeddings.shape[1])
        return embeddings, lengths

    @torch.inference_mode()
    def logits_of(
        self, embeddings: Tensor | None, sentences: Sequence[str], *, seeds: Sequence[int] | None = None
    ) -> Tensor:
        """Logits of N sentences, shape (N, 1) or (N, k), on the CPU.

        Args:
            embeddings: From `prepared`.
            sentences: The N sentences or pairs.
            seeds: Seeds of their shots and gate noise; None for those of the sentences.
        Raises: as `predict`.
        """
        module = self.module
        if embeddings is not None:
            module.check_usable({"": (embeddings, shown_texts(sentences))})

        def inputs_of(batch: slice) -> Tensor:
            if embeddings is not None:
                return embeddings[batch].to(self._device)
            return self._embedded_by_trained_body(list(sentences[batch]))

        if seeds is None:
            seeds = [seed_of_sentence(sentence, self._seed) for sentence in sentences]
        found = logits_in_batches(module, seeds, inputs_of)
        broken = [number for number, row in enumerate(found, 1) if not row.isfinite().all()]
        if broken:
            raise ValueError(
                f"The checkpoint gives no finite number for {len(broken):,} of {len(sentences):,} sentences, the first "
                f"is number {broken[0]}: its training diverged. Train again with a lower learning rate (`model.lr`)."
            )
        return found

    def _embedded_by_trained_body(self, batch: list[str]) -> Tensor:
        assert self.module.body is not None
        tokens = {name: part.to(self._device) for name, part in self.module.body.tokenize(batch).items()}
        embeddings: Tensor = self.module.body(tokens)
        if embeddings.isfinite().all():
            self.module.check_usable({"": (embeddings, batch)})
        return embeddings


def seed_of_sentence(sentence: str, seed: int) -> int:
    """Seed of a sentence's shots and gate noise, 63 bits, from its text and the seed of the call."""
    text = f"{seed} ".encode() + sentence.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def check_device(name: str) -> None:
    """Raise a ValueError if torch cannot use a device here."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"Torch cannot use the device {name!r} here: {str(error).splitlines()[0]}") from error
