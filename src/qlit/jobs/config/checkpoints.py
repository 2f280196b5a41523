"""Read checkpoint files safely, and load their weights; every error is one sentence."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from qlit.data import BodyFolder, Notice, expanded, resolve_body
from qlit.data.body_settings import NamesBody
from qlit.data.contents import NO_BODY, body_contents
from qlit.data.trainable import TrainableBody
from qlit.data.vectors import no_body, no_vectors
from qlit.jobs.config.checkpoint_classes import check_checkpoint_classes
from qlit.jobs.notices import print_notices
from qlit.training.checkpoints.files import load_intact
from qlit.training.checkpoints.notes import check_structure
from qlit.training.checkpoints.weights import check_weights
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.sentence_model import Classifies


def read_checkpoint(path: str | Path, *, given: Collection[str] = ()) -> dict[str, Any]:
    """Read a checkpoint of `qlit fit`; only tensors and plain values are unpickled.

    Args:
        path: A local file.
        given: As of `check_checkpoint_classes`.
    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the path is a URL, the file is damaged or not a checkpoint of qlit, or it names a class that it
            may not.
    """
    check_is_local(path)
    path = expanded(path, "the checkpoint")
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint {path} (in {Path.cwd()}); check the path.")
    checkpoint: dict[str, Any] = load_intact(Path(path))
    notes = checkpoint.get(CHECKPOINT_KEY) if isinstance(checkpoint, dict) else None
    if not isinstance(notes, dict) or "config" not in notes:
        raise ValueError(f"{path} is not a checkpoint of qlit: it contains no config of a run.")
    try:
        check_structure(checkpoint)
    except ValueError as error:
        raise ValueError(f"The checkpoint {path} is malformed: {error}. Use another checkpoint.") from error
    check_checkpoint_classes(str(checkpoint[CHECKPOINT_KEY]["config"]), path, given=given)
    return checkpoint


def check_is_local(path: str | Path) -> None:
    """Raise a ValueError if the path of a checkpoint is a URL, which is never downloaded."""
    if "://" in str(path):
        raise ValueError(f"A checkpoint is a local file, but got the URL {path}: download it first.")


def read_notes(path: str | Path, *, given: Collection[str] = ()) -> dict[str, Any]:
    """Notes in a checkpoint: config (YAML text), label_names, dataset, note, run_id, history."""
    notes: dict[str, Any] = read_checkpoint(path, given=given)[CHECKPOINT_KEY]
    return notes


def body_notice(notes: dict[str, Any], body: BodyFolder, data: NamesBody) -> Notice | None:
    """A notice if the files of a frozen body have changed since the head of a checkpoint was trained.

    Args:
        notes: Notes of the checkpoint; those of older versions have no contents of the body.
        body: Body from `resolve_body`.
        data: Body of the command.
    """
    before = (notes.get("contents") or {}).get("body")
    if before is None or data.is_body_trainable:  # the checkpoint contains the weights of a trained body
        return None
    now = body_contents(body, data.cache_dir)
    if now == before:
        return None
    return Notice(
        "body_changed",
        f"The head was trained on the embeddings of a body with other files than {body.name} has now (fingerprint "
        f"{before}, now {now}): its results with the new embeddings are unreliable.",
    )


def check_inputs(notes: Mapping[str, Any], data: NamesBody) -> None:
    """Raise a ValueError if a checkpoint was trained on embeddings of a file and the data is sentences, or the reverse.

    Args:
        notes: Notes of the checkpoint; those of older versions have no contents, and were trained on sentences.
        data: Data of the command.
    """
    takes_embeddings = (notes.get("contents") or {}).get("body") == NO_BODY
    if takes_embeddings and data.embeddings is None:
        raise no_body(str(notes.get("dataset", "")))
    if data.embeddings is not None and not takes_embeddings:
        raise no_vectors(data.body_name)


def load_weights(
    module: Classifies,
    data: NamesBody,
    weights: dict[str, Tensor],
    body_name: str,
    *,
    trust_remote_code: bool,
) -> BodyFolder:
    """Load a checkpoint's weights into a module for evaluation, also those of a trainable body; return its body.

    Args:
        module: Module with the checkpoint's config.
        data: Body of the checkpoint's config.
        weights: State dict of the checkpoint.
        body_name: As of `resolve_body`.
        trust_remote_code: As of `resolve_body`; from the command line, because a checkpoint must not choose a body
            whose code runs here.
    Raises:
        ValueError: If the weights do not fit this module; and as `resolve_body`.
    """
    if data.embeddings is not None:
        raise no_body(data.embeddings)
    body = resolve_body(body_name, trust_remote_code=trust_remote_code)
    if data.is_body_trainable:
        module.body = TrainableBody(body)
    load_module_weights(module, weights)
    return body


def load_module_weights(module: Classifies, weights: dict[str, Tensor]) -> None:
    """Load a checkpoint's weights into a module for evaluation.

    Raises:
        ValueError: If they do not fit.
    """
    check_weights(module, weights)
    module.load_state_dict(weights)
    module.eval()


def load_checkpoint(
    module: Classifies,
    data: NamesBody,
    checkpoint: dict[str, Any],
    body_name: str | None,
    *,
    trust_remote_code: bool,
) -> BodyFolder:
    """Load the weights of a checkpoint into a module and return its body; print a notice if a frozen body has changed.

    Args:
        module: Module with the checkpoint's config.
        data: Body of the checkpoint's config.
        checkpoint: Checkpoint from `read_checkpoint`.
        body_name: As of `resolve_body`; None for the one in the config.
        trust_remote_code: As of `load_weights`.
    Raises:
        ValueError: As `load_weights`.
    """
    weights = checkpoint["state_dict"]
    body = load_weights(module, data, weights, body_name or data.body_name, trust_remote_code=trust_remote_code)
    if notice := body_notice(checkpoint[CHECKPOINT_KEY], body, data):
        print_notices([notice])
    return body
