"""Health of a container: exit status 0 if it is healthy, 1 with one sentence if not.

A service is healthy if the URL in QLIT_HEALTH_URL answers. A container without that variable is healthy if the native
engine can be loaded and runs can be stored.
"""

import os
import sys
import urllib.request
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

_TIMEOUT_S = 5.0


def problem() -> str:
    """What is wrong, in one sentence; empty if nothing is."""
    if url := os.environ.get("QLIT_HEALTH_URL"):
        return _no_answer(url)
    runs = Path("mlruns")
    if not os.access(runs if runs.exists() else ".", os.W_OK):
        return f"user {os.getuid()} cannot write to {runs.absolute()}."
    return _no_native_engine()


def _no_answer(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(url, timeout=_TIMEOUT_S).close()
    except OSError as error:
        return f"{url} does not answer: {error}."
    return ""


def _no_native_engine() -> str:
    """Load the extension alone: the package around it imports torch, which takes seconds."""
    found = [path for place in sys.path for path in sorted(Path(place).glob("qlit/engines/_native*.so"))]
    if not found:
        return "qlit is installed without its native engine."
    try:
        loader = ExtensionFileLoader("_native", str(found[0]))
        spec = spec_from_loader("_native", loader)
        assert spec is not None
        loader.exec_module(module_from_spec(spec))
    except ImportError as error:
        return f"the native engine cannot be loaded: {error}."
    return ""


if __name__ == "__main__":
    sys.exit(problem() or 0)
