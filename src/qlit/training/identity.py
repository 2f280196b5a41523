"""By what a training is recognised: two runs whose tags agree were told to do the same."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import qlit

HASH, HASH_WITHOUT_SEEDS = "config.hash", "config.hash_without_seeds"

_SECTIONS = ("model", "data", "trainer", "seed_everything")
# Where things are kept and what is shown meanwhile; no number of a run depends on it.
_INDIFFERENT = {
    "data": ("cache_dir",),
    "trainer": ("logger", "default_root_dir", "enable_progress_bar", "enable_model_summary", "log_every_n_steps"),
}


def config_tags(config: Mapping[str, Any]) -> dict[str, str]:
    """Tags that tell which config a run was trained with, for models of any kind.

    Args:
        config: The resolved config, nested: every key, also those left at their defaults.
    Returns:
        `config.hash`, 16 hex digits over qlit's version and all that numbers depend on (model, data, trainer and
        seeds); and `config.hash_without_seeds`, the same over runs that differ in `seed_everything` and `data.seed`.
    """
    kept = {name: config.get(name) for name in _SECTIONS}
    for section, keys in _INDIFFERENT.items():
        kept[section] = _without(kept[section], keys)
    seedless = {**kept, "seed_everything": None, "data": _without(kept["data"], ("seed",))}
    return {HASH: _digest(kept), HASH_WITHOUT_SEEDS: _digest(seedless)}


def _without(section: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in (section or {}).items() if key not in keys}


def _digest(value: Any) -> str:
    text = json.dumps([qlit.__version__, value], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
