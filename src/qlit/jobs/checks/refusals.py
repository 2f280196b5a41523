"""What Lightning refuses of a config: one sentence that names the option, told apart from a bug.

Lightning checks most options when the trainer is made, some when the training begins, and a few in its middle, and
raises whatever suits the place. Such an error is about the config if Lightning, or a library below it, raised it on
purpose, and neither code of ours nor of a user's class called it.
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
# Ours, but on the way to Lightning: they hand on what it was told by the config.
_PASSING_ON = (
    "jobs/session.py",
    "jobs/trainer_parts.py",
    "jobs/fit.py",
    "jobs/evaluate.py",
    "jobs/distributed/cluster.py",
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
"""Options that take classes, by the class that jsonargparse names in its account of one it cannot make."""


class RefusedOptionError(ValueError):
    """An option that the trainer, or a part of it, cannot work with."""


@contextmanager
def refusals(trainer: Mapping[str, Any], *, making: bool = False) -> Iterator[None]:
    """Turn what Lightning refuses of these options into one sentence.

    Args:
        trainer: Options of the trainer, as they are typed.
        making: Whether the trainer, its callbacks and loggers are being made; then libraries raise little else, also
            without saying so (`int("x")`).

    Raises:
        RefusedOptionError: Instead of an error that is about an option.
    """
    try:
        yield
    except _KINDS as error:
        frames = _frames(error.__traceback__)
        if isinstance(error, RefusedOptionError) or not _is_refusal(error, frames, making=making):
            raise
        raise RefusedOptionError(refusal(str(error), trainer, frames)) from error


def refusal(message: str, trainer: Mapping[str, Any], frames: Sequence[FrameType] = ()) -> str:
    """One sentence for a message of Lightning's: the option that it is about, its value, and what is wrong with it."""
    if (reason := reason_in_union(message)) is not None:  # of jsonargparse, which makes callbacks and loggers
        place = next((place for place, kind in _PLACES.items() if kind in message), None)
        return f"{place}: {_shortened(reason)}" if place else _shortened(reason)
    text = _shortened(message)
    if (name := _option_in(text)) is not None:
        value = trainer.get(name)
        given = f" {value}" if isinstance(value, int | float | str | list) else ""
        return f"trainer.{name}{given}: {text}"
    part = _part_in(frames)
    if part == "trainer.callbacks Timer" and trainer.get("max_time") is not None:  # which Lightning makes of it
        part = f"trainer.max_time {trainer['max_time']}"
    if part is not None:
        return f"{part}: {text}"
    return f"trainer: {text}"


def _is_refusal(error: Exception, frames: Sequence[FrameType], *, making: bool) -> bool:
    if not frames or not _is_library(frames[-1]):
        return False
    if isinstance(error, AttributeError) and _part_in(frames) is None:
        return False  # only a callback looks for parts of a model that ours may lack
    after_ours: list[FrameType] = []
    for frame in reversed(frames):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE):
            place = file.relative_to(PACKAGE).as_posix()
            if not place.startswith(_PASSING_ON):
                return False
            break
        after_ours.append(frame)
    if not all(map(_is_library, after_ours)):  # a class of the user's, wherever it lies
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
    """The option of the trainer that a text names first, quoted or with a value."""
    options = [name for name in inspect.signature(Trainer).parameters if name not in ("self", "callbacks", "logger")]
    found = re.search(rf"`(?:Trainer\()?({'|'.join(options)})\b|\b({'|'.join(options)})=", text)
    if found is None:  # names that are no words of ordinary sentences
        found = re.search(rf"\b({'|'.join(name for name in options if '_' in name)})\b", text)
    return next(filter(None, found.groups())) if found else None


def _part_in(frames: Sequence[FrameType]) -> str | None:
    """The class of the callback, logger or plugin in which it happened."""
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
    """The first paragraph of a message in one line, of no more than some sentences, without where to read on."""
    text = " ".join(message.strip().split("\n\n")[0].split())
    text = re.sub(r"<(?:[\w.]+\.)?(\w+) object at 0x[0-9a-f]+>", r"\1", text)
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z`])", text)
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) > _MOST_CHARS or "http" in sentence:
            break
        kept = f"{kept} {sentence}"
    return kept if len(kept) <= 2 * _MOST_CHARS else f"{kept[: 2 * _MOST_CHARS]} ..."
