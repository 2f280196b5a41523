"""Checkpoints as files a person names: read safely, and understood or refused in one sentence."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor

from qlit.data import BodyFolder, Notice, expanded, resolve_body
from qlit.data.contents import body_contents
from qlit.data.trainable import TrainableBody
from qlit.jobs.config.checkpoint_classes import check_checkpoint_classes
from qlit.jobs.summary import print_notices
from qlit.training.checkpoints.files import load_intact
from qlit.training.checkpoints.notes import check_structure
from qlit.training.checkpoints.weights import check_weights
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.module import SentenceClassifier


def read_checkpoint(path: str | Path, *, given: Collection[str] = ()) -> dict[str, Any]:
    """A checkpoint written by `qlit fit`; nothing but tensors and plain values is ever unpickled.

    Args:
        path: A local file.
        given: As of `check_checkpoint_classes`.
    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is an address, is damaged or no checkpoint of qlit, or names classes that it may not.
    """
    check_is_local(path)
    path = expanded(path, "the checkpoint")
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint {path} (in {Path.cwd()}); check the path.")
    checkpoint: dict[str, Any] = load_intact(Path(path))
    notes = checkpoint.get(CHECKPOINT_KEY) if isinstance(checkpoint, dict) else None
    if not isinstance(notes, dict) or "config" not in notes:
        raise ValueError(f"{path} is not a checkpoint of qlit: it carries no config of a run.")
    try:
        check_structure(checkpoint)
    except ValueError as error:
        raise ValueError(f"The checkpoint {path} is malformed: {error}. Take another checkpoint.") from error
    check_checkpoint_classes(str(checkpoint[CHECKPOINT_KEY]["config"]), path, given=given)
    return checkpoint


def check_is_local(path: str | Path) -> None:
    """Raise a ValueError if a checkpoint is an address, which is never fetched."""
    if "://" in str(path):
        raise ValueError(f"A checkpoint is a local file, but got the address {path}: download it first.")


def read_notes(path: str | Path, *, given: Collection[str] = ()) -> dict[str, Any]:
    """What a checkpoint says of itself: config (YAML text), label_names, dataset, note, run_id, history."""
    notes: dict[str, Any] = read_checkpoint(path, given=given)[CHECKPOINT_KEY]
    return notes


def body_notice(notes: dict[str, Any], body: BodyFolder, data: SentenceDataModule) -> Notice | None:
    """A notice if a frozen body has other files than the one whose embeddings a checkpoint's head was trained on.

    Args:
        notes: Of the checkpoint; one of an older version does not tell.
        body: From `resolve_body`.
        data: Whose embeddings are used.
    """
    before = (notes.get("contents") or {}).get("body")
    if before is None or data.is_body_trainable:  # a trained body's weights lie in the checkpoint
        return None
    now = body_contents(body, data.cache_dir)
    if now == before:
        return None
    return Notice(
        "body_changed",
        f"The head was trained on the embeddings of a body with other files than {body.name} has now (fingerprint "
        f"{before}, now {now}): what it makes of these is not what it was trained for.",
    )


def load_weights(
    module: SentenceClassifier,
    data: SentenceDataModule,
    weights: dict[str, Tensor],
    body_name: str,
    *,
    trust_remote_code: bool,
) -> BodyFolder:
    """Give a module a checkpoint's weights, a trainable body's included, for evaluation; return its body.

    Args:
        module: Of the checkpoint's config.
        data: Of the checkpoint's config.
        weights: The checkpoint's state.
        body_name: As of `resolve_body`.
        trust_remote_code: As of `resolve_body`, and as the command line says: a checkpoint that somebody else made must
            not choose a body whose code is run here.
    Raises:
        ValueError: If the weights are not of this module; and as `resolve_body`.
    """
    body = resolve_body(body_name, trust_remote_code=trust_remote_code)
    if data.is_body_trainable:
        module.body = TrainableBody(body)
    check_weights(module, weights)
    module.load_state_dict(weights)
    module.eval()
    return body


def load_checkpoint(
    module: SentenceClassifier,
    data: SentenceDataModule,
    checkpoint: dict[str, Any],
    body_name: str | None,
    *,
    trust_remote_code: bool,
) -> BodyFolder:
    """Give a module the weights of a checkpoint and return its body; say if a frozen body's files have changed.

    Args:
        module: Of the checkpoint's config.
        data: Of the checkpoint's config.
        checkpoint: From `read_checkpoint`.
        body_name: As of `resolve_body`; None for the one that the config names.
        trust_remote_code: As of `load_weights`.
    Raises:
        ValueError: As `load_weights`.
    """
    weights = checkpoint["state_dict"]
    body = load_weights(module, data, weights, body_name or data.body_name, trust_remote_code=trust_remote_code)
    if notice := body_notice(checkpoint[CHECKPOINT_KEY], body, data):
        print_notices([notice])
    return body
