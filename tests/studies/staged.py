"""A two-stage study without a training: of its five factors two matter, and what is tried is arithmetic."""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from studies.small import url

from qlit.runtime.digest import digest
from qlit.studies.definition import Factor, Replicate, Study
from qlit.studies.design_kinds import Design
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

FACTORS = (
    Factor("a", ("m.a",), (0, 1)),
    Factor("x", ("m.x",), low=0, high=1.0),
    Factor("c", ("m.c",), ("p", "q")),
    Factor("d", ("m.d",), (1, 2, 3, 4), screen=(1, 4)),
    Factor("n", ("m.n",), low=1, high=8),
)
REPLICATES = (Replicate(0, 0), Replicate(0, 1))
SCREEN, SEARCH = Design("fractional_factorial", resolution=3), Design("tpe", size=8)
NUM_CELLS = 8
BETTER = {"a": 0, "x": 1.0, "c": "p", "d": 4, "n": 8}


def staged_study(folder: Path, *, name="staged", factors=FACTORS, **options) -> Study:
    design = {"screen": SCREEN, "search": SEARCH, "keep": 2}
    design |= {key: options.pop(key) for key in ("screen", "search", "keep", "significance") if key in options}
    base = folder / "base.yaml"
    base.write_text("m: {}\n")
    return Study(name, (base,), {}, factors, Design("two_stage", **design), REPLICATES, **options)


def staged_trials(folder: Path, storage: str = "journal", **options) -> Trials:
    study = staged_study(folder, **options)
    if storage.startswith("postgresql"):  # one database for all tests
        study = replace(study, name=f"staged-{digest(str(folder))}")
    return Trials(study, location_of(url(folder, storage), study.name))


def value_of(cell, split=0) -> float:
    """The best x is 0.7, between the two levels that are screened; n does most; a, c and d do little."""
    noise = int(hashlib.sha256(json.dumps([cell, split], sort_keys=True).encode()).hexdigest()[:4], 16) / 2**16 - 0.5
    little = 0.004 * cell["d"] - 0.02 * cell["a"] - 0.01 * (cell["c"] == "q")
    return 0.3 - 0.3 * (cell["x"] - 0.7) ** 2 + 0.05 * cell["n"] + little + 0.03 * split + 0.005 * noise


def train(trials: Trials, claimed, value=value_of) -> float:
    """Note what a trial reaches with each of its replicates, as a worker does; its objective."""
    values = [value(claimed.cell, replicate.split) for replicate in claimed.replicates]
    for replicate, score in zip(claimed.replicates, values, strict=True):
        scores = {"val/accuracy": score, "test/accuracy": score - 0.1, "val/loss": 1 - score, "parameters": 10}
        run_id = f"run-{claimed.trial.number}-{replicate.split}"
        # note_of's name: its module imports torch, and workers that only count do without.
        claimed.trial.set_user_attr(f"result {replicate.seed} {replicate.split}", {"run_id": run_id, **scores})
    mean = sum(values) / len(values)
    assert trials.finish(claimed, [mean])
    return mean


def screen(trials: Trials) -> None:
    """Train the cells of the screening, and decide nothing yet."""
    for _ in range(NUM_CELLS):
        train(trials, trials.claim())


def work(trials: Trials, value=value_of) -> int:
    """Train all there is in both stages, as a worker goes about it; how many trials."""
    done = 0
    while True:
        if (claimed := trials.claim()) is not None:
            train(trials, claimed, value)
            done += 1
        elif trials.begin_search() is None:
            if trials.is_finished:
                return done
            time.sleep(0.05)  # another worker is at the last trials


def start_worker(folder: Path, storage: str) -> subprocess.Popen:
    """A process that queues what is missing and works until all is done."""
    return subprocess.Popen(
        [sys.executable, "-m", "studies.staged", str(folder), storage],
        cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


if __name__ == "__main__":
    folder, storage = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    mine = staged_trials(Path(folder), storage)
    mine.fill()
    print(work(mine), flush=True)
