"""Check that data, head and trainer fit together, before the body is loaded and sentences are embedded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qlit.data.quoting import joined
from qlit.heads import CircuitPQC, EstimatorHead, Head, PairCosine, PairEncoder, PairFeatures

if TYPE_CHECKING:
    from qlit.training.datamodule import SentenceDataModule

_PARTS = {"fit": ("train", "val", "test"), "validate": ("val",), "test": ("test",)}


def check_head(head: Head, data: "SentenceDataModule", num_features: int | None, *, is_trained: bool) -> None:
    """Raise a ValueError if a head cannot be trained or scored on the data.

    Args:
        head: The head.
        data: Data with a loaded split.
        num_features: Dimension D of the body's embeddings; None if it is unknown before the first embedding.
        is_trained: Whether the head is trained, so that its preprocessing is fitted to the training split.
    """
    if data.num_classes != head.num_classes:
        doubts = [notice.text for notice in data.texts.notices if notice.key == "minus_one"]
        raise ValueError(
            f"The data has {data.num_classes} classes ({joined(data.texts.label_names)}), but the head has "
            f"num_classes={head.num_classes}. {' '.join([*doubts, 'Otherwise set' if doubts else 'Set'])} "
            f"the head's `num_classes` to {data.num_classes}."
        )
    for_pairs = [module for module in head.modules() if isinstance(module, PairCosine | PairEncoder | PairFeatures)]
    if for_pairs and data.embeds_single_sentences:
        raise ValueError(
            f"{type(for_pairs[0]).__name__} takes pairs of sentences, but {data.texts.name} is read as single "
            "sentences: set `data.second_text_column`, or take another head."
        )
    if num_features is not None:
        head.check_features(num_features)
    if is_trained and head.preprocessing is not None:
        head.preprocessing.check_sentences(len(data.split.train))
    if not data.is_body_trainable:
        return
    if isinstance(head, EstimatorHead):
        raise ValueError(
            f"{type(head).__name__} is fitted only once, but a trainable body changes the embeddings: set "
            "`trainable_body: false`."
        )
    if head.preprocessing is not None and head.preprocessing.is_fitted_once():
        raise ValueError(
            f"{type(head.preprocessing).__name__} is fitted only once, but a trainable body changes the embeddings: "
            "set `preprocessing: null` (and the encoder's `center: false`), or `trainable_body: false`."
        )


def check_training(head: Head, *, max_epochs: int | None, num_processes: int) -> None:
    """Raise a ValueError if a head cannot be trained on any data, because of its shots or the trainer's settings."""
    if isinstance(head, EstimatorHead):
        check_fitted_once(head, max_epochs=max_epochs, num_processes=num_processes)
    for module in head.modules():
        if isinstance(module, CircuitPQC) and module.shots is not None:
            module.shots.check_differentiable()


def check_fitted_once(head: EstimatorHead, *, max_epochs: int | None, num_processes: int) -> None:
    """Raise a ValueError unless the trainer fits once, in one process."""
    if max_epochs != 1:
        raise ValueError(
            f"{type(head).__name__} is fitted only once, so `trainer.max_epochs` must be 1, but is {max_epochs}."
        )
    if num_processes > 1:
        raise ValueError(
            f"{type(head).__name__} is fitted in one process, but there are {num_processes}: set "
            "`trainer.devices` to 1."
        )


def check_limits(options: Mapping[str, Any], data: "SentenceDataModule", stage: str) -> None:
    """Raise a ValueError if a limit is such a small fraction that no batch is left.

    Lightning would notice this only at the first batch: for the test, after the training.

    Args:
        options: Trainer options `limit_train_batches`, .. and `overfit_batches`; None or missing for the default.
        data: Data with a loaded split.
        stage: "fit" (which ends with a test), "validate" or "test".
    """
    indices = {"train": data.split.train, "val": data.split.validation, "test": data.split.test}
    for part in _PARTS[stage]:
        size_name = "batch_size" if part == "train" else "eval_batch_size"
        size: int = getattr(data, size_name)
        overfits = part != "test" and (options.get("overfit_batches") or 0) > 0
        name = "overfit_batches" if overfits else f"limit_{part}_batches"
        limit, num_batches = options.get(name), -(-len(indices[part]) // size)
        if isinstance(limit, float) and 0 < limit < 1 and int(num_batches * limit) < 1:
            raise ValueError(
                f"`trainer.{name}` {limit} of {num_batches} batch{'es' * (num_batches > 1)} ({len(indices[part])} "
                f"sentences, {size_name} {size}) leaves none; set a number of batches, a larger fraction, or a "
                f"smaller `data.{size_name}`."
            )
