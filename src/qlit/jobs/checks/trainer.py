"""Check options of the trainer before data is embedded and a run is opened."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Trainer

from qlit.heads import EstimatorHead
from qlit.jobs.config.values import listed
from qlit.runtime.errors import nearest
from qlit.training.averaging import averaging_of
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier, Stage

_LEAST = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "log_every_n_steps": 0,
    "max_epochs": -1,
    "max_steps": -1,
    "min_epochs": 0,
    "min_steps": 0,
    "num_nodes": 1,
    "num_sanity_val_steps": -1,
    "reload_dataloaders_every_n_epochs": 0,
}
"""Minimum of options that Lightning does not check; it divides by some, and ignores others below their minimum."""
_MOST = {"max_epochs": 10**6, "min_epochs": 10**6, "num_nodes": 10**5}
"""Maximum of options; larger values are mistakes."""


def check_options(trainer: Mapping[str, Any]) -> None:
    """Raise a ValueError for parsed options that Lightning would divide by or replace, or that need a missing GPU."""
    for name, least in _LEAST.items():
        value = trainer.get(name)
        if isinstance(value, int | float) and not value >= least:
            raise ValueError(f"`trainer.{name} >= {least}` must hold, but got {value}.")
    for name, most in _MOST.items():
        value = trainer.get(name)
        if isinstance(value, int | float) and not value <= most:
            raise ValueError(f"`trainer.{name} <= {most:,}` must hold, but got {value}.")
    interval = trainer.get("val_check_interval")
    if isinstance(interval, int | float) and interval == 0:
        raise ValueError(
            "`trainer.val_check_interval > 0` must hold, but got 0; `trainer.limit_val_batches 0` trains without "
            "validation."
        )
    for entry in listed(trainer.get("callbacks")):
        _check_ema(entry)
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    accelerator, precision = trainer.get("accelerator", "auto"), str(trainer.get("precision"))
    if accelerator == "gpu" and not has_gpu:
        raise ValueError("trainer.accelerator is gpu, but PyTorch finds no GPU here; leave it out, or use cpu.")
    if precision in ("16", "16-mixed") and (accelerator == "cpu" or (accelerator == "auto" and not has_gpu)):
        raise ValueError(
            f"trainer.precision {precision} needs a GPU; on a CPU, Lightning would use bf16-mixed instead. Choose "
            "bf16-mixed or 32-true."
        )


def _check_ema(entry: Any) -> None:
    """Raise a ValueError for settings of `EMAWeightAveraging` with which it averages nothing, or cannot."""
    if not isinstance(entry, Mapping | Namespace) or not str(entry.get("class_path")).endswith(".EMAWeightAveraging"):
        return
    given = entry.get("init_args") or {}
    decay, place = given.get("decay", 0.999), "trainer.callbacks: EMAWeightAveraging"
    if isinstance(decay, int | float) and not 0 <= decay < 1:
        raise ValueError(f"{place}: `0 <= decay < 1` must hold, but got {decay}; 1 would never change the average.")
    for name, least in (("update_every_n_steps", 1), ("update_starting_at_step", 0), ("update_starting_at_epoch", 0)):
        value = given.get(name)
        if isinstance(value, int | float) and not value >= least:
            raise ValueError(f"{place}: `{name} >= {least}` must hold, but got {value}.")


def check_averaging(trainer: Trainer, module: SentenceClassifier) -> None:
    """Raise a ValueError if a fit has no steps whose weights a callback could average, or has two such callbacks."""
    names = [type(each).__name__ for each in averaging_of(trainer.callbacks)]  # type: ignore[attr-defined]
    if len(names) > 1:
        raise ValueError(f"trainer.callbacks: {' and '.join(names)} both average the weights; keep one of them.")
    if names and isinstance(module.head, EstimatorHead):
        raise ValueError(
            f"trainer.callbacks: {names[0]} averages the weights of many steps, but {type(module.head).__name__} is "
            "fitted in one: leave the callback out."
        )


def check_seed(seed: int | bool) -> None:
    """Raise a ValueError for a seed outside the range of random number generators."""
    if not isinstance(seed, bool) and not 0 <= seed < 2**32:
        raise ValueError(f"`0 <= seed_everything < 2**32` must hold, but got {seed}.")


def check_monitors(trainer: Trainer, module: SentenceClassifier) -> None:
    """Raise a ValueError if a callback of a fit monitors a score that the training does not have.

    Nothing is checked if the user added a callback of another package, because it may log further scores.
    """
    callbacks = [each for each in trainer.callbacks if not isinstance(each, BestAndLast)]  # type: ignore[attr-defined]
    if any(type(callback).__module__.partition(".")[0] not in ("lightning", "qlit") for callback in callbacks):
        return
    stages: tuple[Stage, ...] = ("train",) if trainer.limit_val_batches == 0 else ("train", "val")
    names = [f"{stage}/{name}" for stage in stages for name in ("loss", *module.scores_of(stage).metrics)]
    known = {*names, "epoch", "step", *(["val/selection"] if "val" in stages else [])}
    for callback in callbacks:
        watched = getattr(callback, "monitor", None)
        if isinstance(watched, str) and getattr(callback, "strict", True) and watched not in known:
            raise ValueError(
                f"trainer.callbacks: {type(callback).__name__} watches {watched!r}, but this training has the scores "
                f"{', '.join(names)}{nearest(watched.replace('_', '/'), names) or '.'}"
            )


def check_batches(trainer: Trainer, data: SentenceDataModule, parts: Sequence[str]) -> None:
    """Raise a ValueError if a fraction of the batches is less than one batch, or `val_check_interval` is too large.

    Args:
        trainer: Trainer with limits of batches.
        data: Data module; its sentences are read only if an option depends on their number.
        parts: The parts in use, of "train", "val" and "test".
    """
    options = list(_relative_options(trainer, parts))
    if not options:
        return
    data.load_split()
    for part, option, value in options:
        sentences = getattr(data.split, {"val": "validation"}.get(part, part))
        size = data.batch_size if part == "train" else data.eval_batch_size
        count = -(-len(sentences) // size)
        if isinstance(value, float) and count and int(count * value) == 0:
            batches = f"{count} {part} batch{'es' if count > 1 else ''}"
            raise ValueError(
                f"trainer.{option} {value:g} of {batches} is less than one batch; use at least "
                f"{ceil(10_000 / count) / 10_000:g}, or a number of batches."
            )
        limit = trainer.limit_train_batches
        count = int(count * limit) if isinstance(limit, float) else min(count, limit)
        if option == "val_check_interval" and value > count:
            raise ValueError(
                f"trainer.val_check_interval {value} is more than the {count} batches of a training epoch; use at "
                "most as many, or set trainer.check_val_every_n_epoch null to count over epochs."
            )


def _relative_options(trainer: Trainer, parts: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Part, option and value of options that are relative to the number of batches."""
    overfits = trainer.overfit_batches > 0  # type: ignore[attr-defined] # it replaces the other limits
    for part in parts:
        limit = getattr(trainer, f"limit_{part}_batches")
        if isinstance(limit, float) and 0 < limit < 1:
            yield part, "overfit_batches" if overfits and part != "test" else f"limit_{part}_batches", limit
    interval = trainer.val_check_interval
    if "train" in parts and isinstance(interval, int) and interval > 1 and trainer.check_val_every_n_epoch is not None:
        yield "train", "val_check_interval", interval
