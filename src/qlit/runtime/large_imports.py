"""Importing large libraries without looking for garbage on the way."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """Keep the garbage collector away while libraries are imported, and from what they made afterwards.

    Torch, Lightning and MLflow make some 700,000 objects that live as long as the process. Collections while they are
    made find nothing and take a fifth of the time, and each full one in the middle of a training 0.7 s.
    """
    was_enabled, num_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        # Where all was there already, a process trains its second model: what the first left behind is garbage, and
        # embeddings hang on it, which freezing would keep for good.
        if len(sys.modules) > num_modules:
            gc.freeze()
        if was_enabled:
            gc.enable()
