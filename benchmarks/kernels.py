"""Share of the FMA peak that the native engine's compiled code reaches by itself: no Python, no autograd, no optimizer.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --qubits 10 14 --kernels avx512 avx2
    python benchmarks/kernels.py --library old=/path/to/_native.so --library new=/path/to/other/_native.so

The work is that of bench.py. Contestants are libraries and kernels, each in a process of its own. Turns alternate,
and the minimum of all repetitions counts. With one thread, times are processor time of the thread, so that other
processes on the machine disturb them less; with more threads they are wall time. Every turn also measures the peak of
the widest vectors with independent multiply-adds; the highest counts, in proportion to a contestant's width of vectors.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FMA_FORWARD, FMA_BACKWARD = 2, 6  # a pair of amplitudes and rotation; README.md, "FMA peak"
VECTOR_BYTES = {"avx512": 64, "avx512_amd": 64, "avx2": 32, "plain": 16}


def serve(kernels: str, num_qubits: int, num_threads: int) -> None:
    """Answers every line on standard input, the seconds of a turn, by the fastest times of that turn."""
    import torch
    import work

    from qlit.circuits import encoder_circuit, reuploading_circuit
    from qlit.engines import native_engine
    from qlit.engines.native_engine import NativeEngine

    inputs = work.make_work(num_qubits)
    engine = NativeEngine(kernels)
    connectivity = min(work.CONNECTIVITY, num_qubits - 1)
    encoder = engine.compile(encoder_circuit(num_qubits, connectivity=connectivity, num_layers=work.NUM_ENCODER_LAYERS))
    pqc = engine.compile(
        reuploading_circuit(
            num_qubits, work.NUM_REUPLOADS, work.NUM_MAIN_LAYERS, work.NUM_REUPLOAD_LAYERS, connectivity=1
        )
    )
    first = encoder.prepared_by(engine).program(torch.float32, tuple(range(num_qubits)), False)
    last = pqc.prepared_by(engine).program(torch.float32, (0,), False)
    batch_size = work.BATCH_SIZE
    of_encoder, of_pqc = torch.from_numpy(inputs.encoder_parameters), torch.from_numpy(inputs.pqc_parameters)
    states_BN, scale = torch.from_numpy(inputs.states), torch.ones(())
    by_encoder, by_pqc, by_scale = torch.empty_like(of_encoder), torch.empty_like(of_pqc), torch.empty(())
    values_BQ, results, by_results = (
        torch.empty(batch_size, num_qubits),
        torch.empty(batch_size),
        torch.ones(batch_size),
    )
    memory = last.allocate(first.executable.state_bytes(batch_size) + last.executable.state_bytes(batch_size))
    gradients = (by_encoder.data_ptr(), by_scale.data_ptr(), 0)
    encoders = [
        (first.executable, first.measurement, of_encoder.data_ptr(), scale.data_ptr(), states_BN.data_ptr(), *gradients)
    ]

    def forward() -> None:
        arguments = (values_BQ.data_ptr(), results.data_ptr(), memory.data_ptr(), num_threads)
        last.executable.forward(last.measurement, of_pqc.data_ptr(), 0, 0, 0, batch_size, encoders, *arguments)

    def backward() -> None:
        arguments = (
            values_BQ.data_ptr(),
            memory.data_ptr(),
            by_results.data_ptr(),
            by_pqc.data_ptr(),
            0,
            0,
            num_threads,
        )
        last.executable.backward(last.measurement, of_pqc.data_ptr(), 0, 0, batch_size, encoders, *arguments)

    clock: Callable[[], float] = time.thread_time if num_threads == 1 else time.perf_counter
    forward(), backward()
    print(json.dumps({"rotations": inputs.num_rotations}), flush=True)
    for line in sys.stdin:
        end, best = time.perf_counter() + float(line), [float("inf")] * 2
        while time.perf_counter() < end:
            begin = clock()
            forward()
            middle = clock()
            backward()
            best = [min(best[0], middle - begin), min(best[1], clock() - middle)]
        limits = native_engine._extension.measure_limits(num_threads, 0.2)
        peak = limits["fma_flops"] / VECTOR_BYTES[limits["instructions"]]
        print(json.dumps({"forward": best[0], "backward": best[1], "flops_a_byte": peak}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 12, 14, 16, 18])
    parser.add_argument("--kernels", nargs="+", help="Kernels to time, by default the fastest that the processor has.")
    parser.add_argument("--library", action="append", default=[], metavar="NAME=PATH", help="Other builds of _native.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.3, help="Of a turn.")
    parser.add_argument("--core", type=int, help="Run on this core alone; Linux only.")
    parser.add_argument("--serve", nargs=2, metavar=("KERNELS", "QUBITS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.serve:
        serve(options.serve[0], int(options.serve[1]), options.threads)
        return
    from qlit.engines.native_engine import available_kernels

    kernels = options.kernels or available_kernels()[:1]
    if not kernels or not set(kernels) <= set(available_kernels()):
        has = ", ".join(available_kernels()) or "none, because the compiled extension is not built"
        raise SystemExit(f"This machine has the kernels {has}. Name some of them with --kernels.")
    libraries: list[tuple[str, str | None]] = [tuple(entry.split("=", 1)) for entry in options.library] or [("", None)]
    print("| qubits | contestant | forward, ms | share | backward, ms | share | both, ms | share |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    flops_a_byte = 0.0  # at most, of a byte of a vector
    for num_qubits in options.qubits:
        workers = {
            f"{name} {kind}".strip(): _started(path, kind, num_qubits, options.threads)
            for name, path in libraries
            for kind in kernels
        }
        try:
            found = _alternated(workers, options)
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()
        # A contestant whose turns others disturbed would measure too low a peak.
        flops_a_byte = max(flops_a_byte, *[facts["flops_a_byte"] for facts in found.values()])
        for name, facts in found.items():
            peak = flops_a_byte * VECTOR_BYTES[name.split()[-1]]
            print(f"| {num_qubits} | {name} | {_cells(facts, num_qubits, peak)} |", flush=True)


def _started(library: str | None, kernels: str, num_qubits: int, num_threads: int) -> "subprocess.Popen[str]":
    environment = os.environ | ({"QLIT_NATIVE_LIBRARY": library} if library else {})
    command = [sys.executable, __file__, "--threads", str(num_threads), "--serve", kernels, str(num_qubits)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=HERE, text=True, bufsize=1
    )


def _alternated(
    workers: dict[str, "subprocess.Popen[str]"], options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """The fastest times and the highest peak of every contestant's turns."""
    found = {name: _answer(name, worker) for name, worker in workers.items()}
    for turn in range(options.turns):
        order = list(workers.items())
        for name, worker in order if turn % 2 == 0 else order[::-1]:
            assert worker.stdin is not None
            worker.stdin.write(f"{options.seconds}\n")
            answer, best = _answer(name, worker), found[name]
            for key, better in (("forward", min), ("backward", min), ("flops_a_byte", max)):
                best[key] = better(best.get(key, answer[key]), answer[key])
    return found


def _answer(name: str, worker: "subprocess.Popen[str]") -> dict[str, float]:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"The process of '{name}' ended before it answered; its message stands above.")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _cells(facts: dict[str, float], num_qubits: int, peak: float) -> str:
    from work import BATCH_SIZE

    flop = 2 * facts["rotations"] * 2 ** (num_qubits - 1) * BATCH_SIZE
    forward, backward = facts["forward"], facts["backward"]
    parts = ((forward, FMA_FORWARD), (backward, FMA_BACKWARD), (forward + backward, FMA_FORWARD + FMA_BACKWARD))
    return " | ".join(f"{1e3 * seconds:.4f} | {fma * flop / seconds / peak:.1%}" for seconds, fma in parts)


if __name__ == "__main__":
    main()
