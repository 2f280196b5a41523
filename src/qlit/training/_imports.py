"""Importing large libraries without looking for garbage on the way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """Keep the garbage collector away while libraries are imported, and from what they made afterwards.

    Torch, Lightning and MLflow make some 700,000 objects that live as long as the process. Collections while they are
    made find nothing and take a fifth of the time, and each full one in the middle of a training 0.7 s.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
