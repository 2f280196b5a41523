"""Kill and stop fits and studies at random moments, go on, and compare with an undisturbed one bit for bit.

    python tests/kills.py --kills 100 --signals 60 --seed 0

Weights, predictions, histories and MLflow's curves must be equal, without a point twice; no run may be RUNNING after a
signal, or after the command that goes on, so that `reap` has nothing to end; and no temporary files may be left. The
moments are drawn evenly over the stages of a training.

Processes are forked from one that has imported everything, so that each takes a second instead of ten.
"""

import argparse
import atexit
import importlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from safetensors.numpy import load_file
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.jobs import fit, session, trainer_parts
from qlit.jobs.study import worker
from qlit.tracking import sync
from qlit.tracking.config_hash import HASH
from qlit.tracking.connection import connect
from qlit.tracking.mlflow_store import locate
from qlit.tracking.run_log import RunLog
from qlit.tracking.tracker import MLflowTracker
from qlit.training.checkpoints import earlier_best, files
from qlit.training.progress import EpochProgress

EPOCHS = 40
SYNC_STAGES = ("logging", "logged", "sending", "sent", "marked")
STAGES = (
    *("start", "opening", "opened", "fit", "validation", "checkpoint"),
    *SYNC_STAGES,
    *("fitted", "test", "end", "ended"),
)
STUDY_STAGES = ("opening", "fit", "checkpoint", *SYNC_STAGES, "test", "end", "ended", "result")
_DELAYS_S = {"start": 0.5, "opening": 0.05, "fit": 0.5, "test": 0.05, "end": 0.05, "ended": 0.01}
_LIMIT_S = 120.0
_STOP_LIMIT_S = 10.0

CONFIG = {
    "seed_everything": 3,
    "trainer": {
        "max_epochs": EPOCHS,
        "accelerator": "cpu",
        "callbacks": [{"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"}],
    },
    "tracking": {"experiment": "kills"},
    "data": {"source": "sample", "num_per_label": 24, "max_test": 30, "batch_size": 16},
    "model": {
        "head": {
            "class_path": "qlit.heads.HybridHead",
            "init_args": {
                "encoder": {
                    "class_path": "qlit.heads.SimulatedQuantumEncoder",
                    "init_args": {"num_qubits": 3, "connectivity": 1, "num_layers": 0},
                },
                "pqc": {"num_qubits": 2, "num_reuploads": 1, "shots": 100},
            },
        },
        "lr": 0.02,
        "lr_decay": 0.98,
    },
}


@dataclass(frozen=True)
class Moment:
    """When a signal comes: at the `entry`-th entry of a stage, after a delay."""

    number: signal.Signals
    stage: str
    entry: int
    delay_s: float


class Stages:
    """In a forked process: calls of functions that begin a stage, and a signal in one of them."""

    def __init__(self, moment: Moment | None) -> None:
        self.entries, self.moment = Counter[str](), moment
        self.wrap(MLflowTracker, "_begin", "opening", "opened")
        self.wrap(EpochProgress, "on_train_start", "", "fit")
        self.wrap(session.SentenceClassifier, "on_validation_epoch_end", "validation")
        for module in (files, earlier_best):
            self.wrap(module, "write_checkpoint", "checkpoint")
        self.wrap(RunLog, "append", "logging", "logged")
        self.wrap(sync, "deliver", "sending", "sent")
        self.wrap(RunLog, "mark", "", "marked")
        self.wrap(fit, "after_fit", "fitted")
        self.wrap(trainer_parts.Trainer, "test", "test")
        self.wrap(session.Session, "close", "end", "ended")
        self.wrap(worker.Worker, "_note", "result")

    def wrap(self, owner, name: str, before: str, after: str = "") -> None:
        original = getattr(owner, name)

        def call(*arguments, **options):
            self.enter(before)
            found = original(*arguments, **options)
            self.enter(after)
            return found

        setattr(owner, name, call)

    def enter(self, stage: str) -> None:
        self.entries[stage] += bool(stage)
        if self.moment is None or (self.moment.stage, self.moment.entry) != (stage, self.entries[stage]):
            return
        if not self.moment.delay_s:
            self.send()
        else:
            threading.Thread(target=self.send, daemon=True).start()

    def send(self) -> None:
        assert self.moment is not None
        time.sleep(self.moment.delay_s)
        Path("sent").write_text(str(time.time()))
        os.kill(os.getpid(), self.moment.number)


@dataclass(frozen=True)
class End:
    """How a process ended: its exit status (-n if signal n killed it) and seconds after its signal, if one was sent."""

    status: int
    seconds: float | None


def run(folder: Path, *arguments: str, moment: Moment | None = None, entries: dict[str, int] | None = None) -> End:
    """Run `qlit` in a process forked from this one; its output goes to files of the folder."""
    (folder / "sent").unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            atexit._clear()
            os.setsid()
            os.chdir(folder)
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
            sys.argv = ["qlit", *arguments]
            torch.set_num_threads(1)
            stages = Stages(moment)
            stages.enter("start")
            status = main(arguments)
            atexit._run_exitfuncs()
            if entries is not None:
                Path("entries").write_text(json.dumps(stages.entries))
                Path("modules").write_text(json.dumps([*sys.modules]))
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(status)
    deadline = time.monotonic() + _LIMIT_S
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"{' '.join(arguments)} in {folder} did not end: {moment}")
        time.sleep(0.005)
    if entries is not None:
        entries.update(json.loads((folder / "entries").read_text()))
        for name in json.loads((folder / "modules").read_text()):  # further processes need not import them
            with suppress(Exception):
                importlib.import_module(name)
    sent = folder / "sent"
    return End(os.waitstatus_to_exitcode(found[1]), time.time() - float(sent.read_text()) if sent.exists() else None)


class Trials:
    """Folders with equal configs, an undisturbed fit and an undisturbed study."""

    def __init__(self, folder: Path, kinds: Sequence[str]) -> None:
        self.folder, self.kinds = folder, kinds
        make_tiny_body(folder / "body")
        CONFIG["data"] |= {"body": str(folder / "body")}
        (folder / "fit.yaml").write_text(yaml.safe_dump(CONFIG))
        study = {
            "base": str(folder / "fit.yaml"),
            "overrides": {"trainer.max_epochs": 5},
            "factors": {"model.lr": [0.005, 0.02]},
            "replicates": {"seeds": [0], "splits": [0]},
        }
        (folder / "kills.yaml").write_text(yaml.safe_dump(study))
        os.environ["QLIT_CACHE"] = str(folder / "cache")
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if os.fork() == 0:  # this process must have no connection that its children would share
            connect(locate(f"sqlite:///{folder}/mlflow.db"))
            os._exit(0)
        os.wait()
        self.commands = {
            "fit": ("fit", "--config", str(folder / "fit.yaml")),
            "study": ("study", "worker", "--config", str(folder / "kills.yaml")),
        }
        self.entries: dict[str, dict[str, int]] = {"fit": {}, "study": {}}
        self.undisturbed = {}
        for kind in dict.fromkeys(kinds):
            made = self.made(kind)
            assert run(made, *self.commands[kind], entries=self.entries[kind]).status == 0, said(made)
            self.undisturbed[kind] = results(made)
            assert len(self.undisturbed[kind]) == {"fit": 1, "study": 2}[kind]

    def made(self, name: str) -> Path:
        """A new folder with an empty database."""
        made = self.folder / name
        (made / "mlruns").mkdir(parents=True)
        shutil.copy(self.folder / "mlflow.db", made / "mlruns" / "mlflow.db")
        return made

    def moment(self, draw: random.Random, kind: str, number: signal.Signals) -> Moment:
        stage = draw.choice([each for each in (STAGES if kind == "fit" else STUDY_STAGES) if self.has(kind, each)])
        delay = draw.choice([0.0, draw.uniform(0, _DELAYS_S.get(stage, 0.02))])
        return Moment(number, stage, draw.randint(1, self.entries[kind][stage]), delay)

    def has(self, kind: str, stage: str) -> bool:
        return self.entries[kind].get(stage, 0) > 0

    def disturb(self, name: str, kind: str, moments: list[Moment]) -> str:
        """Disturb a command once for each moment, let it come to its end, and compare; what was wrong, if anything."""
        made, wrong = self.made(name), []
        for moment in moments:
            end = run(made, *self.next_command(kind, made), moment=moment)
            expected = -moment.number if moment.number == signal.SIGKILL else 128 + moment.number
            if end.seconds is None:
                if end.status:
                    wrong.append(f"status {end.status} without a signal")
            elif moment.number == signal.SIGKILL:
                continue
            else:
                is_early = moment.stage == "start" and end.status == -moment.number  # before the command has begun
                if end.status != expected and not is_early and not is_over(end.status, kind, made):
                    wrong.append(f"status {end.status} instead of {expected}")
                if end.seconds > _STOP_LIMIT_S:
                    wrong.append(f"it took {end.seconds:.1f} s")
                if running := statuses(made).get("RUNNING"):
                    wrong.append(f"{running} runs RUNNING")
                if "Traceback" in said(made):
                    wrong.append("a traceback")
            if wrong:
                return f"{moment}: {', '.join(wrong)}: {said(made)[-1500:]}"
        for _ in range(3):
            end = run(made, *self.next_command(kind, made))
            if end.status == 0 and is_finished(kind, made):
                break
        else:
            return f"{moments}: it does not come to its end: {said(made)[-1500:]}"
        if difference := compared(self.undisturbed[kind], results(made)):
            return f"{moments}: {difference}"
        if left := left_over(made):
            return f"{moments}: {left}"
        shutil.rmtree(made)
        return ""

    def next_command(self, kind: str, made: Path) -> tuple[str, ...]:
        if kind == "fit":
            # The youngest run that has a checkpoint; a fit that was killed before has nothing to go on from.
            found = [*made.glob("mlruns/runs/*/last.ckpt")]
            if found:
                return ("fit", "--ckpt_path", str(found[0].relative_to(made)))
        return self.commands[kind]


def is_over(status: int, kind: str, made: Path) -> bool:
    """Whether the signal came after the last word of the command."""
    return status in (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP) and is_finished(kind, made)


def is_finished(kind: str, made: Path) -> bool:
    found = statuses(made)
    return not found["RUNNING"] and found["FINISHED"] >= (1 if kind == "fit" else 3)


def rows(made: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(made / "mlruns" / "mlflow.db")) as database:
        return database.execute(query).fetchall()


def statuses(made: Path) -> Counter[str]:
    return Counter(status for (status,) in rows(made, "SELECT status FROM runs"))


def said(made: Path) -> str:
    return (made / "err").read_text(errors="replace")


def results(made: Path) -> dict[tuple[str, ...], dict]:
    """What each finished training left, by its settings: weights, predictions, history and curves."""
    found = {}
    wanted = f"SELECT run_uuid, value FROM tags JOIN runs USING (run_uuid) WHERE key = '{HASH}' AND status = 'FINISHED'"
    for run_id, config_hash in rows(made, wanted):
        checkpoints = {}
        for name in ("last.ckpt", "best.ckpt"):
            path = made / "mlruns" / "runs" / run_id / name
            loaded = torch.load(path, weights_only=True)
            checkpoints[name] = (loaded["state_dict"], loaded["qlit"]["history"], loaded["optimizer_states"])
        curves = rows(made, f"SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = '{run_id}'")
        predictions = made / "mlruns" / "artifacts" / run_id / "artifacts" / "test_predictions.safetensors"
        found[config_hash, run_id] = {
            "checkpoints": checkpoints, "curves": Counter(curves), "predictions": load_file(predictions)
        }  # fmt: skip
    hashes = Counter(config_hash for config_hash, _ in found)
    assert set(hashes.values()) <= {1}, f"trained twice: {hashes}"
    return {config_hash: each for (config_hash, _), each in found.items()}


def compared(expected: dict, found: dict) -> str:
    """The first difference, if there is one."""
    if expected.keys() != found.keys():
        return f"{len(found)} finished trainings instead of {len(expected)}"
    for config_hash, wanted in expected.items():
        got = found[config_hash]
        if not all((each == got["predictions"][name]).all() for name, each in wanted["predictions"].items()):
            return "other predictions"
        if not equal(wanted["checkpoints"], got["checkpoints"]):
            return "other weights or histories"
        lost, more = wanted["curves"] - got["curves"], got["curves"] - wanted["curves"]
        if lost or more:
            return f"points lost: {sorted(lost)[:6]} ({len(lost)}), points too many: {sorted(more)[:6]} ({len(more)})"
    return ""


def equal(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def left_over(made: Path) -> str:
    """Files of interrupted work that nobody has removed."""
    found = [
        str(path.relative_to(made))
        for folder in ("runs", "artifacts")
        for path in (made / "mlruns" / folder).rglob("*")
        if path.name.startswith(".") or path.suffix in (".cursor", ".part", ".tmp") or path.name == "rejected.jsonl"
    ]
    return f"left over: {found}" if found else ""


def disturb_all(
    folder: Path, *, kinds: Sequence[str], kills: int, signals: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """How many were disturbed by kind and stage, and what was wrong."""
    draw, trials = random.Random(seed), Trials(folder, kinds)
    counts, wrong = Counter[str](), []
    numbers = [signal.SIGKILL] * kills + [
        draw.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]) for _ in range(signals)
    ]
    while numbers:
        kind = draw.choice(kinds)
        # Some are disturbed more than once.
        some, numbers = numbers[: (size := draw.choice([1, 2, 3, 4]))], numbers[size:]
        moments = [trials.moment(draw, kind, number) for number in some]
        begun = time.monotonic()
        if said_wrong := trials.disturb(f"{kind}-{len(numbers)}", kind, moments):
            wrong.append(f"{kind}: {said_wrong}")
            print(wrong[-1], file=sys.stderr, flush=True)
        if "KILLS_VERBOSE" in os.environ:
            print(f"{time.monotonic() - begun:.1f} s {kind} {moments}", file=sys.stderr, flush=True)
        for moment in moments:
            counts[f"{kind} {moment.number.name} {moment.stage}"] += 1
    return counts, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--signals", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=("fit", "study"))
    options = parser.parse_args()
    where = options.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    where.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    kinds = [options.only] if options.only else ["fit", "fit", "study"]
    counted, failures = disturb_all(where, kinds=kinds, kills=options.kills, signals=options.signals, seed=options.seed)
    for label, count in sorted(counted.items()):
        print(f"{label:<30}{count:>4}")
    print(f"{sum(counted.values())} moments, {len(failures)} failures, {time.monotonic() - begun:.0f} s")
    sys.exit(bool(failures))
