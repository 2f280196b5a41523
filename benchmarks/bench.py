"""Times a training step of qlit's engines and of the peers that are installed, in alternation, in one run.

See README.md beside this file. `python bench.py --help` lists the options.
"""

import argparse
import datetime
import importlib.util
import json
import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import work

HERE = Path(__file__).resolve().parent
PAUSE_S = 0.05  # between contestants: threads that spin after their work go to sleep meanwhile
TURN_S = 0.25  # a contestant's turn is one step, or as many as fit in this
FORWARD_S = 3  # a forward pass that used this much is not timed again
MAX_STATES_BYTES = 512 << 20  # forward passes on larger batches of states are left out
NUMPY_QUBITS = 12  # up to here the reference is checked by the independent one of work.py
LOSS_ATOL, GRADIENT_ATOL = 1e-4, 1e-4  # float32: beyond this a contestant computes something else

# Fused multiply-adds of a pair of amplitudes by one RY. Forward: two (RY divided by its
# cosine). Backward: two each to undo the state, to carry the cotangent along, and for the inner product of the two.
FMA_A_PAIR = 2 + 6
# Bytes of an amplitude that gate by gate execution would move: read and write, of one array forward and two backward.
BYTES_AN_AMPLITUDE = 4 * 2 * (1 + 2)


@dataclass(frozen=True)
class Entry:
    """Who takes part: the name, the file with its `build`, the interpreter, and how wide it goes in usual memory."""

    name: str
    file: Path
    python: str
    ours: bool = False
    max_qubits: int = 18


# name: file, module that must be importable, widest circuit within 16 GiB and a few seconds a step
PEERS = {
    "torchquantum": ("torchquantum.py", "torchquantum", 14),
    "pennylane": ("pennylane.py", "pennylane", 14),
    "pennylane-lightning": ("pennylane.py", "pennylane_lightning", 16),
    "jax-adjoint": ("jax_adjoint.py", "jax", 18),
}


@dataclass
class Worker:
    """A contestant's process, and what was measured of it."""

    entry: Entry
    process: subprocess.Popen[str]
    timeout_s: float
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    failed: str | None = None

    def ask(self, command: str | None) -> dict[str, Any]:
        """The answer to a command (None: to being started); {} once it has failed, which is kept in `failed`."""
        if self.failed:
            return {}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            if command is not None:
                self.process.stdin.write(command + "\n")
                self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], self.timeout_s)[0]:
                self.failed = f"no answer within {self.timeout_s:.0f} s"
                self.process.kill()
                return {}
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.failed = f"ended with status {self.process.wait()}"
            return {}
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.failed = answer["error"]
            return {}
        return answer


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    entries, left_out = _entries(options)
    if not any(entry.ours for entry in entries):
        print("None of qlit's engines takes part: give --engine torch.", file=sys.stderr)
        return 2
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(options.threads),
        "versions": {},
        "left_out": left_out,
        "limits": machine.limits(options.threads, options.limits_s),
        "sizes": [],
    }
    for num_qubits in options.qubits:
        size = _measure(num_qubits, entries, options, report["versions"])
        report["sizes"].append(size)
        print(_size_table(size, report["limits"]), flush=True)
    text = _markdown(report)
    if options.output is not None:
        for path in _written(report, text, options.output):
            print(f"wrote {path}")
    wrong = [row["name"] for size in report["sizes"] for row in size["steps"] if row.get("wrong")]
    if wrong:
        print(f"Wrong loss or gradients: {', '.join(wrong)}.", file=sys.stderr)
    return 1 if wrong else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 12, 14, 16, 18])
    parser.add_argument("--repeat", type=int, default=9, help="turns of each contestant, at least 1")
    parser.add_argument("--budget_s", type=float, default=60, help="no more turns of a contestant that used this much")
    parser.add_argument("--timeout_s", type=float, default=300, help="for one answer; also for start and compilation")
    parser.add_argument("--threads", type=int, default=None, help="default: the cores this process may use, at most 2")
    parser.add_argument("--engine", nargs="*", default=None, help="of qlit's engines, those to run (native, torch)")
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        default="cpu",
        help="cuda: engines that run on a GPU get their tensors there (default engines: cuda, native, torch); native "
        "and peers stay on the CPU, and its limits are not measured; unverified on a GPU",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=None,
        metavar="NAME=PYTHON[:FILE]",
        help=f"a peer and the interpreter that has it: {', '.join(PEERS)}, or any name with a FILE that has `build`; "
        "may be repeated; also from the variable QLIT_BENCH_PEERS, separated by commas. "
        "Peers importable here, and TorchQuantum after `make torchquantum`, take part by themselves",
    )
    parser.add_argument("--no_peers", action="store_true", help="qlit's engines alone")
    parser.add_argument("--batches", type=int, nargs="*", default=[256, 1024], help="of the forward-only table")
    parser.add_argument("--limits_s", type=float, default=6, help="time to measure the machine's limits; 0: do not")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder of the dated files")
    parser.add_argument("--no_output", action="store_const", const=None, dest="output", help="write no files")
    options = parser.parse_args(arguments)
    if options.engine is None:
        options.engine = ["cuda", "native", "torch"] if options.device == "cuda" else ["native", "torch"]
    if options.device == "cuda":
        options.limits_s = 0
    if options.threads is None:
        options.threads = min(2, machine.describe(0)["cores"])
    if options.repeat < 1 or min(options.qubits) < 2:
        parser.error(f"`repeat >= 1` and `qubits >= 2` must hold, but got {options.repeat=}, {options.qubits=}.")
    return options


def _entries(options: argparse.Namespace) -> tuple[list[Entry], list[str]]:
    """Who takes part, and a sentence for each who does not."""
    from qlit.engines import engine_by_name

    entries, left_out = [], []
    for name in options.engine:
        try:
            engine = engine_by_name(name)
        except (ImportError, RuntimeError, ValueError) as error:
            left_out.append(f"{name}: {error}")
            continue
        device_types = engine.capabilities.device_types
        on_device = options.device != "cpu" and (device_types is None or options.device in device_types)
        lacks = engine.missing() or _without(options.device if on_device else "cpu")
        if lacks:
            left_out.append(f"{name}: {lacks}")
        else:
            shown = f"{name}@{options.device}" if on_device else name
            entries.append(Entry(shown, HERE / "engines.py", sys.executable, ours=True))
    if options.no_peers:
        return entries, left_out
    given = options.peer or [item for item in os.environ.get("QLIT_BENCH_PEERS", "").split(",") if item]
    interpreters = dict(item.split("=", 1) for item in given)
    for name, (file, module, max_qubits) in PEERS.items():
        python = interpreters.pop(name, None) or _of_make(name)
        if python is None and importlib.util.find_spec(module) is None:
            left_out.append(f"{name}: not installed here, and no interpreter was given with --peer {name}=PYTHON.")
        else:
            entries.append(Entry(name, HERE / "peers" / file, python or sys.executable, max_qubits=max_qubits))
    for name, where in interpreters.items():
        python, _, file = where.partition(":")
        if not file:
            raise SystemExit(
                f"--peer {name}: peers are {', '.join(PEERS)}; any other needs a file: {name}=PYTHON:FILE."
            )
        entries.append(Entry(name, Path(file), python))
    return entries, left_out


def _of_make(name: str) -> str | None:
    """The interpreter of the environment that `make NAME` makes in the clone; None if it was not made."""
    folder = HERE.parent / f".venv-{name}"
    return str(folder / "bin" / "python") if (folder / "installed").exists() else None


def _without(device: str) -> str | None:
    """Why torch cannot use a device; None if it can."""
    import torch

    return None if device == "cpu" or torch.cuda.is_available() else "torch finds no GPU here."


def _measure(
    num_qubits: int, entries: list[Entry], options: argparse.Namespace, versions: dict[str, str]
) -> dict[str, Any]:
    inputs = work.make_work(num_qubits)
    expected, checked = _expected(inputs, options.threads)
    busy = [machine.others()]
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "work.npz"
        work.save(saved, inputs, expected)
        try:
            for entry in entries:
                if num_qubits > entry.max_qubits:
                    continue
                worker = _started(entry, saved, options)
                workers.append(worker)
                worker.facts |= worker.ask(None)
                worker.facts |= worker.ask("check")
                if not worker.failed:
                    versions[entry.name] = worker.facts.pop("version")
            _alternate(workers, options)
            for worker in workers:
                worker.facts |= worker.ask("memory")
            busy.append(machine.others())
            forward = _forward(num_qubits, [worker for worker in workers if worker.entry.ours], options)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.wait()
    rows = [_row(worker) for worker in workers]
    ours = next((row for row in rows if "median_ms" in row), None)  # qlit's engines come first, the fastest of all
    for row in rows:
        if ours is not None and "median_ms" in row:
            row["ratio"] = row["median_ms"] / ours["median_ms"]
    return {
        "qubits": num_qubits,
        "flop": 2 * FMA_A_PAIR * inputs.num_rotations * 2 ** (num_qubits - 1) * work.BATCH_SIZE,
        "gate_bytes": BYTES_AN_AMPLITUDE * inputs.num_rotations * 2**num_qubits * work.BATCH_SIZE,
        "batch_bytes": 4 * 2**num_qubits * work.BATCH_SIZE,
        "reference_gap": checked,
        "others": max(busy, key=lambda other: float(other["busy_cores"])),
        "steps": rows,
        "forward": forward,
    }


def _expected(inputs: work.Work, num_threads: int) -> tuple[work.Result, float | None]:
    """Loss and gradients in float64, and how far the independent reference lies from them where it was run."""
    import engines
    import torch

    expected = engines.build(inputs, "torch", num_threads, torch.float64).step()
    if inputs.num_qubits > NUMPY_QUBITS:
        return expected, None
    gap = max(work.error(work.reference(inputs), expected))
    if gap > 1e-9:
        raise SystemExit(f"The references disagree at {inputs.num_qubits} qubits: by {gap:.1e}.")
    return expected, gap


def _started(entry: Entry, saved: Path, options: argparse.Namespace) -> Worker:
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "PYTHONUNBUFFERED": "1"}
    if entry.ours:
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the qlit command does
    command = [entry.python, str(HERE / "worker.py"), str(entry.file), entry.name, str(saved), str(options.threads)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
    )
    return Worker(entry, process, options.timeout_s)


def _alternate(workers: list[Worker], options: argparse.Namespace) -> None:
    """Round after round, each contestant's turn; every second round in reverse, so that none always follows another."""
    for turn in range(options.repeat):
        for worker in workers if turn % 2 == 0 else reversed(workers):
            if turn > 0 and sum(worker.seconds) > options.budget_s:
                continue
            time.sleep(PAUSE_S)
            probe = worker.ask("step 1").get("seconds", [])
            count = int(TURN_S / max(probe[0], 1e-6)) if probe else 0
            # A first step wakes threads and fills caches; it counts only where no other fits in the turn.
            worker.seconds += worker.ask(f"step {count}").get("seconds", []) if count else probe


def _forward(num_qubits: int, workers: list[Worker], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Microseconds a sample of the forward pass alone, in alternation: training's batch, and validation's."""
    cases = [(work.BATCH_SIZE, "train"), *((batch, "infer") for batch in options.batches)]
    seconds: dict[tuple[str, int, str], list[float]] = {}
    for batch, mode in cases:
        if batch * 2**num_qubits * 4 > MAX_STATES_BYTES:
            continue
        for _ in range(min(options.repeat, 5)):
            for worker in workers:
                found = seconds.setdefault((worker.entry.name, batch, mode), [])
                if sum(found) > FORWARD_S:
                    continue
                time.sleep(PAUSE_S)
                count = 3 if found and found[-1] < TURN_S else 1
                found.extend(worker.ask(f"forward {batch} {mode} {count}").get("seconds", []))
    return [
        {"name": name, "batch": batch, "mode": mode, "us_a_sample": statistics.median(found) / batch * 1e6}
        for (name, batch, mode), found in seconds.items()
        if found
    ]


def _row(worker: Worker) -> dict[str, Any]:
    row: dict[str, Any] = {"name": worker.entry.name, "ours": worker.entry.ours, **worker.facts}
    if worker.failed:
        row["failed"] = worker.failed
    if worker.seconds:
        row |= {
            "median_ms": statistics.median(worker.seconds) * 1e3,
            "min_ms": min(worker.seconds) * 1e3,
            "num_steps": len(worker.seconds),
        }
    if "loss_error" in row:  # `not <`: NaN is wrong too
        fits = row["loss_error"] < LOSS_ATOL and row["gradient_error"] < GRADIENT_ATOL
        row["wrong"] = not fits
    return row


# ---- what is printed and kept


def _size_table(size: dict[str, Any], limits: dict[str, Any] | None) -> str:
    columns = [
        "contestant",
        "ms median",
        "min",
        "steps",
        "ratio",
        "peak MiB",
        "of a step, batches",
        "error of gradients",
    ]
    if limits:
        columns += ["FMA peak", "gate traffic"]
    lines = [
        f"## {size['qubits']} qubits",
        "",
        f"| {' | '.join(columns)} |",
        "| --- " * len(columns) + "|",
    ]
    for row in size["steps"]:
        if "median_ms" not in row:
            lines.append(f"| {row['name']} | failed: {row['failed']} |" + " |" * (len(columns) - 2))
            continue
        peak = "" if row.get("peak") is None else f"{row['peak'] / 2**20:,.0f}"
        batches = "" if row.get("step") is None else f"{row['step'] / size['batch_bytes']:,.1f}"
        error = f"{row['gradient_error']:.1e}" + (" **wrong**" if row["wrong"] else "")
        cells = [row["name"], _number(row["median_ms"]), _number(row["min_ms"]), str(row["num_steps"])]
        cells += [_number(row["ratio"]), peak, batches, error]
        if limits:
            seconds = row["median_ms"] / 1e3
            level = _level(size["batch_bytes"], limits)
            cells.append(f"{size['flop'] / seconds / limits['fma_flops']:.1%}")
            cells.append(f"{size['gate_bytes'] / seconds / level['scale']:.2f} x {level['level']}")
        lines.append(f"| {' | '.join(cells)} |")
    if size["forward"]:
        lines += ["", "| forward alone | " + " | ".join(_cases(size["forward"])) + " |"]
        lines.append("| --- |" + " --- |" * len(_cases(size["forward"])))
        for name in dict.fromkeys(row["name"] for row in size["forward"]):
            found = {_case(row): row["us_a_sample"] for row in size["forward"] if row["name"] == name}
            cells = [f"{_number(found[case])} us a sample" if case in found else "" for case in _cases(size["forward"])]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    busy = size["others"]
    if busy["busy_cores"] > 0.1:
        named = f", most of it {busy['busiest']}" if busy["busiest"] else ""
        lines += ["", f"The machine was busy with other work: {busy['busy_cores']} cores{named}."]
    return "\n".join([*lines, ""])


def _case(row: dict[str, Any]) -> str:
    return f"{row['mode']}, {row['batch']}"


def _cases(forward: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(_case(row) for row in forward))


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits + (value < 1)}f}"


def _level(batch_bytes: int, limits: dict[str, Any]) -> dict[str, Any]:
    """The nearest memory that holds what a step works on: two final states and a cotangent, shared out to threads."""
    needed = 3 * batch_bytes / limits["num_threads"]
    levels: list[dict[str, Any]] = limits["bandwidth"]
    # A level was measured with half of it, or of a thread's share.
    return next((level for level in levels[:-1] if needed <= 2 * level["bytes_a_thread"]), levels[-1])


def _markdown(report: dict[str, Any]) -> str:
    about, limits = report["machine"], report["limits"]
    lines = [
        f"# Training step, batch {work.BATCH_SIZE}: {report['date'][:10]}",
        "",
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, "
        f"{about['memory_bytes'] / 2**30:.0f} GiB; {about['system']}, Python {about['python']}; "
        f"qlit at commit {about['commit']}.",
        "Medians of steps taken in alternation; ratios are to the first row. The columns are explained in "
        "[benchmarks/README.md](../README.md).",
        "",
        *(f"- {name}: {version}" for name, version in report["versions"].items()),
        *(f"- left out: {sentence}" for sentence in report["left_out"]),
        "",
    ]
    if limits:
        lines += [
            f"Limits, measured in this run ({limits['instructions']}): float32 multiply-add "
            f"{limits['fma_flops_one_thread'] / 1e9:.0f} GFLOP/s with 1 thread, {limits['fma_flops'] / 1e9:.0f} with "
            f"{limits['num_threads']}; in place scale / copy, GB/s, all threads: "
            + ", ".join(
                f"{level['level']} ({level['bytes_a_thread'] / 1024:,.0f} KiB a thread) "
                f"{level['scale'] / 1e9:.0f} / {level['copy'] / 1e9:.0f}"
                for level in limits["bandwidth"]
            )
            + ".",
            "",
        ]
    else:
        lines += [
            "The machine's limits were not measured (that needs the compiled extension, and --limits_s above 0).",
            "",
        ]
    lines += [_size_table(size, limits) for size in report["sizes"]]
    return "\n".join(lines)


def _written(report: dict[str, Any], text: str, folder: Path) -> list[Path]:
    about = report["machine"]
    chip = re.sub(r"[^a-z0-9]+", "-", about["processor"].lower()).strip("-")
    stem = f"{report['date'][:10]}_{chip}_{about['commit']}"
    folder.mkdir(parents=True, exist_ok=True)
    count = 1
    while (folder / f"{stem}.json").exists():  # a result is never overwritten
        count += 1
        stem = re.sub(r"(_run\d+)?$", f"_run{count}", stem, count=1)
    paths = [folder / f"{stem}.md", folder / f"{stem}.json"]
    paths[0].write_text(text)
    paths[1].write_text(json.dumps(report, indent=1) + "\n")
    return paths


if __name__ == "__main__":
    sys.exit(main())
