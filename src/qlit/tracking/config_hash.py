"""Identity of a training: its config, the contents of data and body, and the version of the numerics.

Two runs with equal hashes were trained with equal settings on equal sentences, labels and body, by the same rules.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from qlit.data.contents import Contents
from qlit.runtime.digest import digest

HASH, HASH_WITHOUT_SEEDS = "training.hash", "training.hash_without_seeds"
DATA, BODY, RULES = "data.fingerprint", "body.fingerprint", "numerics"

_SECTIONS = ("model", "data", "trainer", "seed_everything")
# Names that `Contents` covers, places of files, and display settings: no number of a run depends on them.
_INDIFFERENT = {
    "data": (
        *("source", "validation_source", "test_source", "embeddings", "labels", "text_column", "label_column"),
        *("second_text_column", "body", "cache_dir"),
    ),
    "trainer": ("logger", "default_root_dir", "enable_progress_bar", "enable_model_summary", "log_every_n_steps"),
}
_LATER_KEYS = {"data": {"splits": "few_shot"}, "model": {"select_by": "accuracy"}}
"""Keys that earlier versions lacked, with the value that stands for their behaviour and does not change hashes."""


def identity_tags(config: Mapping[str, Any], contents: Contents) -> dict[str, str]:
    """Tags that identify a training.

    Args:
        config: The resolved config, nested: every key, also those left at their defaults.
        contents: Contents of its data and body. The contents matter, and not the paths and names in the config.
    Returns:
        `training.hash`, 16 hex digits over `NUMERICS`, the contents and the settings that numbers depend on (model,
        data, trainer and seeds); `training.hash_without_seeds`, equal for runs that differ in `seed_everything` and
        `data.seed` alone; and the tags of `contents_tags`.
    """
    kept: dict[str, Any] = {name: config.get(name) for name in _SECTIONS}
    kept["model"] = _with_earlier_preprocessing(kept["model"])
    for section, keys in _INDIFFERENT.items():
        kept[section] = _without(kept[section], keys)
    for section, values in _LATER_KEYS.items():
        unchanged = [key for key, value in values.items() if (kept[section] or {}).get(key, value) == value]
        kept[section] = _without(kept[section], unchanged)
    seedless = {**kept, "seed_everything": None, "data": _without(kept["data"], ("seed",))}
    tags = contents_tags(contents)
    return {HASH: digest([tags, kept]), HASH_WITHOUT_SEEDS: digest([tags, seedless]), **tags}


def contents_tags(contents: Contents) -> dict[str, str]:
    """Tags of the contents that a run has read, `data.fingerprint` and `body.fingerprint`, and of the `numerics`."""
    from qlit.engines.numerics import NUMERICS  # here because qlit.engines imports torch, slow for readers of tags

    return {DATA: contents.data, BODY: contents.body, RULES: str(NUMERICS)}


def _with_earlier_preprocessing(model: Any) -> Any:
    """The section `model` without `preprocessing: null`, and with the earlier spelling of `Centering`.

    Earlier versions had no such key, but `center` of simulated quantum encoders.
    """
    head = model.get("head") if isinstance(model, Mapping) else None
    if not isinstance(head, Mapping) or "preprocessing" not in (head.get("init_args") or {}):
        return model
    arguments = head["init_args"]
    preprocessing, others = arguments["preprocessing"], _without(arguments, ("preprocessing",))
    if preprocessing is not None:
        centred = _centred(others.get("encoder")) if _is_class(preprocessing, "Centering") else None
        if centred is None:
            return model
        others["encoder"] = centred
    return {**model, "head": {**head, "init_args": others}}


def _centred(encoder: Any) -> Any:
    """The config of an encoder, or of equal ones side by side, with `center: true`; None if it has no such key."""
    arguments = encoder.get("init_args") if isinstance(encoder, Mapping) else None
    if not isinstance(arguments, Mapping):
        return None
    if _is_class(encoder, "SimulatedQuantumEncoder") and arguments.get("center") is False:
        return {**encoder, "init_args": {**arguments, "center": True}}
    if _is_class(encoder, "ParallelEncoders") and (inner := _centred(arguments.get("encoder"))) is not None:
        return {**encoder, "init_args": {**arguments, "encoder": inner}}
    return None


def _is_class(value: Any, name: str) -> bool:
    """Whether a part of a config names a class of `qlit.heads`."""
    path = str(value.get("class_path")) if isinstance(value, Mapping) else ""
    return path.startswith("qlit.heads.") and path.rpartition(".")[2] == name


def _without(section: Any, keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in (section or {}).items() if key not in keys}
