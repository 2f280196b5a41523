"""Studies without a training: what is tried is arithmetic."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from qlit.runtime.digest import digest
from qlit.studies.definition import Factor, Replicate, Study
from qlit.studies.design_kinds import Design
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

FACTORS = (
    Factor("x", ("a.x",), (0, 1, 2)),
    Factor("y", ("a.y",), (0.0, 0.5)),
    Factor("z", ("a.z",), (1, 2), when={"x": (1,)}),
)
REPLICATES = (Replicate(0, 0), Replicate(1, 0))


def small_study(folder: Path, kind: str = "full_factorial", size: int = 0, *, factors=FACTORS, **options) -> Study:
    base = folder / "base.yaml"
    base.write_text("a: {}\n")
    return Study("small", (base,), {}, factors, Design(kind, size=size), REPLICATES, **options)


def trials_of(
    folder: Path, storage: str = "journal", kind: str = "full_factorial", size: int = 0, *, create=True, **options
) -> Trials:
    study = small_study(folder, kind, size, **options)
    if storage.startswith("postgresql"):  # one database for all tests
        study = replace(study, name=f"small-{digest(str(folder))}")
    return Trials(study, location_of(url(folder, storage), study.name), create=create)


def url(folder: Path, storage: str) -> str:
    return {"journal": f"journal:{folder}/small.journal", "sqlite": f"sqlite:///{folder}/small.db"}.get(
        storage, storage
    )


def value_of(cell) -> float:
    return cell["x"] + cell["y"] - 0.25 * cell.get("z", 0)


def work(trials: Trials) -> int:
    """Train all there is; how many."""
    done = 0
    while (claimed := trials.claim()) is not None:
        trials.finish(claimed, [value_of(claimed.cell)])
        done += 1
    return done


def finished_trials(folder: Path, **options) -> Trials:
    """A finished study whose validation accuracy is 0.5 + value_of / 10 + seed / 100, and its test accuracy less."""
    from qlit.studies.cell_results import note_of  # workers do without, and start sooner

    trials = trials_of(folder, **options)
    trials.fill()
    while (claimed := trials.claim()) is not None:
        for replicate in claimed.replicates:
            value = 0.5 + value_of(claimed.cell) / 10 + replicate.seed / 100
            scores = {"val/accuracy": value, "test/accuracy": value - 0.1, "val/loss": 1 - value, "num_test": 100}
            scores |= {"parameters": 10 + 5 * claimed.cell["x"], "num_validation": 20}
            run_id = f"run-{claimed.trial.number}-{replicate.seed}"
            claimed.trial.set_user_attr(note_of(replicate), {"run_id": run_id, **scores})
        trials.finish(claimed, [value])
    return trials


def work_patiently(trials: Trials) -> int:
    """As `work`, a tenth of a second a trial, waiting for a storage that is away; until all is done, not only begun."""
    from qlit.studies.trials import recovery
    from qlit.studies.trials.storage_retry import retry_storage

    recovery.STALE_S = 30.0  # a tenth, that a test need not wait for it; more than an outage lasts here
    done = 0
    while not retry_storage(lambda: trials.is_finished):
        retry_storage(trials.recover)
        if (claimed := retry_storage(trials.claim)) is None:
            time.sleep(0.1)
            continue
        time.sleep(0.1)
        done += retry_storage(lambda mine=claimed: trials.finish(mine, [value_of(mine.cell)]))
    return done


def start_worker(folder: Path, storage: str, *arguments: str) -> subprocess.Popen:
    """A process that queues what is missing and works.

    Arguments: `die`, and it kills itself in its first trial; `patient`, and it waits for its storage.
    """
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), storage, *arguments],
        cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


if __name__ == "__main__":
    folder, storage, *arguments = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    if "patient" in arguments:
        from qlit.studies.trials.storage_retry import retry_storage

        mine = retry_storage(lambda: trials_of(Path(folder), storage))
        retry_storage(mine.fill)
        print(work_patiently(mine), flush=True)
        sys.exit()
    mine = trials_of(Path(folder), storage)
    mine.fill()
    if "die" in arguments:
        import os
        import signal

        assert mine.claim() is not None
        os.kill(os.getpid(), signal.SIGKILL)
    print(work(mine), flush=True)
