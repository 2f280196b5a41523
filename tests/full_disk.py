"""A disk that takes a part of what is written and refuses the rest, without one."""

import errno
import resource
from contextlib import contextmanager


@contextmanager
def files_of_at_most(num_bytes):
    """Let this process write no file beyond a size: the system writes a part, then refuses, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_at_first(monkeypatch, owner, name, times=2):
    """Let the first calls of `owner.name` find the disk full."""
    original, left = getattr(owner, name), times

    def call(*arguments, **options):
        nonlocal left
        if left:
            left -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, call)
