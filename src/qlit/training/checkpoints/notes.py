"""Check the structure of a checkpoint once after it was read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from qlit.training.evaluation import CHECKPOINT_KEY, WITHIN_EPOCH, Evaluation

_Rule = tuple[Callable[[Any], bool], str]
_MOST_CHARS = 1_000_000
_SHOWN_CHARS = 40


def check_structure(checkpoint: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the first malformed part of a checkpoint.

    Args:
        checkpoint: Checkpoint as `torch.load` returns it. Parts that older versions did not write may be missing.
    """
    for name, rule in _PARTS.items():
        if name in checkpoint:
            _check(checkpoint[name], name, rule)
    if "state_dict" not in checkpoint:
        raise ValueError("it has no `state_dict`, and so no weights")
    notes = checkpoint[CHECKPOINT_KEY]
    for name, rule in _NOTES.items():
        if name in notes:
            _check(notes[name], f"{CHECKPOINT_KEY}.{name}", rule)
    best = (checkpoint.get("callbacks") or {}).get("BestAndLast") or {}
    for name, rule in _BEST.items():
        if name in best:
            _check(best[name], f"callbacks.BestAndLast.{name}", rule)
    if "loops" in checkpoint:
        _check(checkpoint["loops"], "loops", (_is_progress, "Lightning's counts of epochs and batches"))


def check_label_names(notes: Mapping[str, Any], num_classes: int) -> list[str]:
    """Label names in a checkpoint, one per class.

    Raises:
        ValueError: If the notes contain no names, or another number of names.
    """
    names: list[str] | None = notes.get("label_names")
    if names is None or len(names) != num_classes:
        found = "none" if names is None else f"{len(names):,}"
        raise ValueError(
            f"The checkpoint must have a label name for each of the {num_classes} classes of its head, but has "
            f"{found}. Train again, or use another checkpoint."
        )
    return names


def _check(value: Any, name: str, rule: _Rule) -> None:
    is_right, kind = rule
    if not is_right(value):
        text = " ".join(repr(value).split()) if isinstance(value, str | int | float | None) else ""
        shown = text if text and len(text) <= _SHOWN_CHARS else f"of type {type(value).__name__}"
        raise ValueError(f"its `{name}` must be {kind}, but is {shown}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_CHARS


def _is_config(value: Any) -> bool:
    return _is_text(value) and bool(value.strip())


def _is_hashes(value: Any) -> bool:
    return isinstance(value, str)  # 16 characters per sentence


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value, re.ASCII) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_position(value: Any) -> bool:
    return _is_number(value) and -1 <= value < 2**62


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


def _dict_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(isinstance(key, str) and is_right(each) for key, each in value.items())
    )


def _list_of(is_right: Callable[[Any], bool], at_least: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and len(value) >= at_least and all(map(is_right, value))


def _is_point(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and _is_position(value[0]) and _is_number(value[1])


def _is_sentences(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("tested", "")):
        return False
    return all(_is_hashes(value.get(name)) for name in ("trained", "validated", "digest"))


def _is_evaluation(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(Evaluation)}:
        return False
    counts = _is_count(value["epoch"]) and _is_position(value["position"]) and _is_count(value["step"])
    scores = value["scores"]
    is_scores = _dict_of(_is_number)(scores) and {"val/accuracy", "val/selection"} <= scores.keys()
    return counts and _or_none(_is_count)(value["num_seen"]) and is_scores


def _is_weight(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and value.device.type != "meta"
    )


def _is_averaging(value: Any) -> bool:
    """Whether this is the state of an average, beside its weights."""
    count = value.get("n_averaged") if isinstance(value, dict) and value.keys() == {"n_averaged"} else None
    return isinstance(count, Tensor) and _is_weight(count) and count.dtype == torch.int64 and count.numel() == 1


def _is_within_epoch(value: Any) -> bool:
    """Whether this is what one process needs for the rest of an epoch."""
    names = {"num_batches", "train_scores", "random_state", "cuda_random_state"}
    if not isinstance(value, dict) or value.keys() != names or not _is_count(value["num_batches"]):
        return False
    states = (value["random_state"], value["cuda_random_state"])
    return _is_weight(states[0]) and _or_none(_is_weight)(states[1]) and _or_none(_is_scores)(value["train_scores"])


def _is_scores(value: Any) -> bool:
    """Whether these are logits, labels and losses of the same sentences."""
    if not isinstance(value, list) or len(value) != 3 or not all(map(_is_weight, value)):
        return False
    logits, labels, losses = value
    is_numbers = logits.is_floating_point() and losses.is_floating_point() and labels.dtype == torch.int64
    is_shaped = logits.ndim == 2 and labels.ndim == losses.ndim == 1
    if not (is_numbers and is_shaped and len(logits) == len(labels) == len(losses)):
        return False
    num_classes = max(logits.shape[1], 2)
    return len(labels) == 0 or (int(labels.min()) >= 0 and int(labels.max()) < num_classes)


def _is_score(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex())


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"\d{1,4}\.\d{1,4}(\.\d{1,4})?([.a-z+]|$)", value, re.ASCII) is not None


def _is_optimizer(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
        return False
    states, groups = value["state"].values(), value.get("param_groups")
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        return False
    return all(map(_dict_of(lambda each: isinstance(each, Tensor | int | float)), states)) and all(
        isinstance(group.get("params"), list) and _is_number(group.get("lr")) for group in groups
    )


def _is_progress(value: Any) -> bool:
    """Whether the counts that a resume needs are valid; Lightning checks the others."""
    fit = value.get("fit_loop") if isinstance(value, dict) else None
    if not isinstance(fit, dict):
        return False
    epochs, batches = fit.get("epoch_progress"), fit.get("epoch_loop.batch_progress")
    for progress in (epochs, batches):
        if not isinstance(progress, dict):
            return False
        for name in ("current", "total"):
            if not _dict_of(_is_count)(progress.get(name)) or not {"ready", "processed"} <= progress[name].keys():
                return False
    assert isinstance(batches, dict)
    loops = [value.get(name) for name in ("fit_loop", "validate_loop", "test_loop")]
    return isinstance(batches.get("is_last_batch"), bool) and all(map(_is_loop, loops))


def _is_loop(value: Any) -> bool:
    """Whether a loop has a state, and the states of its progress contain only counts."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("state_dict"), dict)
        and all(_is_counts(each) for name, each in value.items() if str(name).endswith("progress"))
    )


def _is_counts(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_counts, value.values()))
    return isinstance(value, bool) or _is_count(value)


_IS_EVALUATION: _Rule = (_or_none(_is_evaluation), "the scores of a validation")
_PARTS: dict[str, _Rule] = {
    "state_dict": (_dict_of(_is_weight), "tensors by name"),
    "current_model_state": (_dict_of(_is_weight), "tensors by name"),
    "averaging_state": (_is_averaging, "the number of averaged weights"),
    "epoch": (_is_count, "a number of epochs"),
    "global_step": (_is_count, "a number of steps"),
    "callbacks": (_or_none(_dict_of(lambda each: isinstance(each, dict))), "states by name"),
    "optimizer_states": (_list_of(_is_optimizer), "states of optimisers"),
    "pytorch-lightning_version": (_is_version, "a version of Lightning"),
    WITHIN_EPOCH: (_list_of(_is_within_epoch, at_least=1), "what the rest of an epoch needs, for every process"),
    "lr_schedulers": (_list_of(lambda each: isinstance(each, dict)), "a list of states"),
}
_NOTES: dict[str, _Rule] = {
    "config": (_is_config, f"YAML text of at most {_MOST_CHARS:,} characters"),
    "label_names": (_or_none(_list_of(_is_text, at_least=2)), "a list of two names or more"),
    "dataset": (_is_text, "a name"),
    "note": (_or_none(_is_text), "text"),
    "split_fingerprint": (_is_text, "text"),
    "num_features": (_or_none(_is_count), "a number of features"),
    "training_hash": (_is_text, "text"),
    "run_id": (_or_none(_is_id), "an id of letters and digits"),
    "contents": (_or_none(_dict_of(_is_text)), "fingerprints by name"),
    "sentences": (_or_none(_is_sentences), "hashes of sentences"),
    "history": (_dict_of(_list_of(_is_point)), "lists of (epoch, score) by name"),
    "validation": _IS_EVALUATION,
}
_BEST: dict[str, _Rule] = {
    "best": _IS_EVALUATION,
    "best_model_path": (_is_text, "a path"),
    "best_model_score": (_or_none(_is_score), "a number"),
}
