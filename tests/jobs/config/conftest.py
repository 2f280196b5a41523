"""Code of a user, for tests of whether it runs."""

import sys
from pathlib import Path

import pytest


@pytest.fixture
def own_code(monkeypatch):
    """Make a folder the current one, with a module `own_code` of this text that is not imported yet."""

    def place(folder: Path, text: str) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        (folder / "own_code.py").write_text(text)
        sys.modules.pop("own_code", None)

    yield place
    sys.modules.pop("own_code", None)
