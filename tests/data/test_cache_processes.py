"""The embedding cache under several processes: no text twice, nothing finished lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from data.helpers import environment
from data.toy_body import expected, numbered
from filelock import FileLock

from qlit.data import BodyFolder, EmbeddingCache


def start(cache: Path, body: BodyFolder, log: Path, count: int, pause_s: float) -> subprocess.Popen[str]:
    """Another process that embeds `count` texts with a body that pauses at every batch of 64."""
    code = (
        "import sys; from pathlib import Path; import qlit.data.cache as c\n"
        "from data.toy_body import CountingBody, expected, numbered\n"
        f"c.load_body = lambda *_: CountingBody(Path({str(log)!r}), {pause_s})\n"
        f"texts, body = numbered({count}), c.BodyFolder('toy', Path({str(body.path)!r}))\n"
        f"got = c.EmbeddingCache(Path({str(cache)!r})).embed(texts, body, show_progress=False).vectors\n"
        "print('right' if got.equal(expected(texts)) else 'wrong')"
    )
    env = environment()
    env["PYTHONPATH"] += f":{Path(__file__).resolve().parents[1]}"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_compute_each_text_once(body: BodyFolder, log: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(numbered(1), body, show_progress=False)
    (lock,) = cache.folder.rglob("lock")
    with FileLock(lock):  # until both stand at the door
        both = [start(cache.folder, body, log, count, pause_s=0.02) for count in (900, 700)]
        for process in both:
            assert process.stderr is not None
            assert process.stderr.readline() == "waiting for another process that embeds with toy ...\n"
    answers = [process.communicate(timeout=60) for process in both]
    assert answers == [("right\n", "")] * 2  # and the waiting was told once
    assert sorted(log.read_text().splitlines()) == sorted(numbered(900))


def test_a_killed_process_leaves_its_finished_shards(body: BodyFolder, log: Path, tmp_path: Path) -> None:
    texts, cache = numbered(1400), EmbeddingCache(tmp_path / "cache")
    with start(cache.folder, body, tmp_path / "other-log", len(texts), pause_s=0.1) as process:
        deadline = time.monotonic() + 60
        while not list(cache.folder.rglob("*.safetensors")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    (shard,) = cache.folder.rglob("*.safetensors")
    stale = shard.with_name(f"{shard.stem}.{process.pid}.tmp")  # as if it had been writing another one
    stale.write_bytes(shard.read_bytes()[:100])
    result = cache.embed(texts, body, show_progress=False).vectors
    assert torch.equal(result, expected(texts))
    assert len(log.read_text().splitlines()) == 1400 - 512
    assert not stale.exists()
