"""Print notices to standard error."""

import sys
from collections.abc import Iterable

from qlit.data import Notice
from qlit.runtime.quiet import is_quiet

_printed: set[str] = set()


def print_notices(notices: Iterable[Notice]) -> None:
    """Print notices to standard error, but not with `--quiet`.

    Every text appears once in a process, because many trainings repeat them.
    """
    if is_quiet():
        return
    for notice in notices:
        if notice.text not in _printed:
            _printed.add(notice.text)
            print(f"qlit: note: {notice.text}", file=sys.stderr, flush=True)
