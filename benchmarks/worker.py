"""One contestant in a process of its own: a command a line on standard input, a JSON object a line on standard output.

    python worker.py FILE NAME WORK.npz NUM_THREADS

first answers {"version", "first_s"}: the time to build and to run the first step, compilation included. Then:

    check               {"loss_error", "gradient_error"} of a step, against the reference in WORK.npz
    step N              {"seconds": [...]} of N steps
    forward B MODE N    {"seconds": [...]} of N forward passes on B samples; MODE is train or infer
    memory              {"before", "peak", "step"}: bytes resident before the first step, the highest there has been
                        (VmHWM, which unlike ru_maxrss does not begin with the parent's), and the highest since the
                        first step began less what was resident then; null where the system does not say

An error of a command is answered {"error": its message}. Ends with standard input.
"""

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import work


def _status(key: str) -> int | None:
    """VmHWM or VmRSS in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return None


def _seconds(call: Callable[[], object], repeat: int) -> list[float]:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _contestant(file: Path, name: str, inputs: work.Work, num_threads: int) -> work.Contestant:
    # By path, under a name of its own: peers/torchquantum.py must not hide the torchquantum it imports.
    spec = importlib.util.spec_from_file_location("contestant", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    contestant: work.Contestant = module.build(inputs, name, num_threads)
    return contestant


def main(file: str, name: str, saved: str, num_threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")

    inputs, expected = work.load(Path(saved))
    start = time.perf_counter()
    contestant = _contestant(Path(file), name, inputs, int(num_threads))
    before, highest = _status("VmRSS"), _status("VmHWM")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts from here
    contestant.step()
    answer(version=contestant.version, first_s=time.perf_counter() - start)

    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            if command == "check":
                loss_error, gradient_error = work.error(contestant.step(), expected)
                answer(loss_error=loss_error, gradient_error=gradient_error)
            elif command == "step":
                answer(seconds=_seconds(contestant.step, int(arguments[0])))
            elif command == "forward":
                assert contestant.forward is not None
                run = contestant.forward(int(arguments[0]), arguments[1] == "train")
                run()
                answer(seconds=_seconds(run, int(arguments[2])))
            elif command == "memory":
                peak = _status("VmHWM")
                if peak is None or before is None or highest is None:
                    answer(before=None, peak=None, step=None)
                else:
                    answer(before=before, peak=max(peak, highest), step=peak - before)
            else:
                raise ValueError(f"There is no command {command!r}.")
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
