"""Options that Lightning refuses: turn its error into one sentence that names the option, and keep bugs as they are.

Lightning checks most options when the trainer is made, some when the training starts and a few during the training,
and raises errors of many types. An error is about the config if a `raise` statement of Lightning, or of a library that
it calls, raised it, and neither code of qlit nor a class of the user made the call.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from qlit.jobs.config.options import reason_in_union
from qlit.runtime.errors import PACKAGE, is_raised_on_purpose

_KINDS = (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError, AttributeError)
# Modules of qlit that only pass the config on to Lightning.
_PASSING_ON = (
    "jobs/session.py",
    "jobs/trainer_parts.py",
    "jobs/fit.py",
    "jobs/evaluate.py",
    "jobs/distributed/cluster.py",
    "jobs/config/final_unions.py",
    "training/epoch_loop.py",
)
_MOST_CHARS = 300
_PLACES = {
    "trainer.callbacks": "callbacks.callback.Callback",
    "trainer.logger": "loggers.logger.Logger",
    "trainer.profiler": "profilers.profiler.Profiler",
    "trainer.plugins": "plugins.precision.precision.Precision",
    "trainer.strategy": "strategies.strategy.Strategy",
    "trainer.accelerator": "accelerators.accelerator.Accelerator",
}
"""Options that take classes, with the class that jsonargparse names if it cannot create one."""


class RefusedOptionError(ValueError):
    """An option that the trainer or one of its parts refuses."""


@contextmanager
def refusals(trainer: Mapping[str, Any], *, making: bool = False) -> Iterator[None]:
    """Turn a refusal of trainer options by Lightning into one sentence.

    Args:
        trainer: Options of the trainer before parsing.
        making: Whether the trainer, its callbacks and loggers are being created; then almost every error of a library
            is about an option, also without a `raise` statement (`int("x")`).

    Raises:
        RefusedOptionError: In place of an error about an option.
    """
    try:
        yield
    except _KINDS as error:
        frames = _frames(error.__traceback__)
        if isinstance(error, RefusedOptionError) or not _is_refusal(error, frames, making=making):
            raise
        raise RefusedOptionError(refusal(str(error), trainer, frames)) from error


def refusal(message: str, trainer: Mapping[str, Any], frames: Sequence[FrameType] = ()) -> str:
    """One sentence for a message of Lightning: the option, its value, and what is wrong."""
    if (reason := reason_in_union(message)) is not None:  # from jsonargparse, which creates callbacks and loggers
        place = next((place for place, kind in _PLACES.items() if kind in message), None)
        return f"{place}: {_shortened(reason)}" if place else _shortened(reason)
    text = _shortened(message)
    if (name := _option_in(text)) is not None:
        value = trainer.get(name)
        given = f" {value}" if isinstance(value, int | float | str | list) else ""
        return f"trainer.{name}{given}: {text}"
    part = _part_in(frames)
    if part == "trainer.callbacks Timer" and trainer.get("max_time") is not None:  # from which Lightning makes a Timer
        part = f"trainer.max_time {trainer['max_time']}"
    if part is not None:
        return f"{part}: {text}"
    return f"trainer: {text}"


def _is_refusal(error: Exception, frames: Sequence[FrameType], *, making: bool) -> bool:
    if not frames or not _is_library(frames[-1]):
        return False
    if isinstance(error, AttributeError) and _part_in(frames) is None:
        return False  # only a callback may require attributes that our model lacks
    after_ours: list[FrameType] = []
    for frame in reversed(frames):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE):
            place = file.relative_to(PACKAGE).as_posix()
            if not place.startswith(_PASSING_ON):
                return False
            break
        after_ours.append(frame)
    if not all(map(_is_library, after_ours)):  # a user's class made the call
        return False
    return making or is_raised_on_purpose(error)


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        *("lightning", "lightning_utilities", "lightning_fabric", "pytorch_lightning", "torch", "torchmetrics"),
        *("jsonargparse", "contextlib", "functools", "importlib", "_frozen_importlib", "typing", "warnings"),
    )


def _frames(trace: TracebackType | None) -> list[FrameType]:
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames


def _option_in(text: str) -> str | None:
    """The first trainer option in a text that is quoted or has a value."""
    options = [name for name in inspect.signature(Trainer).parameters if name not in ("self", "callbacks", "logger")]
    found = re.search(rf"`(?:Trainer\()?({'|'.join(options)})\b|\b({'|'.join(options)})=", text)
    if found is None:  # names with an underscore are not ordinary words
        found = re.search(rf"\b({'|'.join(name for name in options if '_' in name)})\b", text)
    return next(filter(None, found.groups())) if found else None


def _part_in(frames: Sequence[FrameType]) -> str | None:
    """The callback, logger or plugin whose method raised the error."""
    from lightning.fabric.accelerators.accelerator import Accelerator
    from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import Precision
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy

    places = {
        "callbacks": Callback,
        "logger": Logger,
        "profiler": Profiler,
        "plugins": (Precision, CheckpointIO, ClusterEnvironment),
        "strategy": Strategy,
        "accelerator": Accelerator,
    }
    for frame in reversed(frames):
        made = frame.f_locals.get("self")
        for place, kind in places.items():
            if isinstance(made, kind):  # type: ignore[arg-type]
                return f"trainer.{place} {type(made).__name__}"
    return None


def _shortened(message: str) -> str:
    """The first sentences of a message in one line, without links to documentation."""
    text = " ".join(message.strip().split("\n\n")[0].split())
    text = re.sub(r"<(?:[\w.]+\.)?(\w+) object at 0x[0-9a-f]+>", r"\1", text)
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", text)
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) > _MOST_CHARS or "http" in sentence:
            break
        kept = f"{kept} {sentence}"
    return kept if len(kept) <= 2 * _MOST_CHARS else f"{kept[: 2 * _MOST_CHARS]} ..."
