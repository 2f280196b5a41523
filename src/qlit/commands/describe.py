"""`qlit describe`: parameters, circuits, memory and time of a config's model, without loading a body."""

import json
import textwrap
from typing import Any

import torch
from jsonargparse import Namespace

from qlit.heads import Head
from qlit.jobs.estimates.circuits import circuits_of
from qlit.jobs.estimates.executions import executions_of, executions_table
from qlit.jobs.estimates.sizes import fill_local_sizes, local_features
from qlit.jobs.estimates.training import (
    DTYPES,
    bytes_text,
    config_parser,
    counts_of,
    describe,
    device_of,
    estimate,
    read_config,
)
from qlit.jobs.terminal import quieten

_MOST_COLUMNS = 110
_TEST_LABEL = "  1,000 test sentences"


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit describe` and return its exit status."""
    parser = config_parser(f"qlit {command}")
    parser.add_argument("--json", action="store_true", help="print JSON; times in seconds, memory in bytes")
    parser.add_argument("--draw", action="store_true", help="draw the circuits as well")
    parser.add_argument("--no_timing", action="store_true", help="run nothing and show no times")
    quieten()
    assumed: list[str] = []
    options, made = read_config(parser, arguments, fill_sizes=lambda config: assumed.extend(fill_local_sizes(config)))
    head, data, trainer = made.model.head, made.data, options.trainer
    head.to(DTYPES.get(str(trainer.get("precision")), torch.float32))
    device = device_of(trainer)
    facts = describe(head, counts_of(made.model), data.batch_size, device, num_features=_dimension(head, options.data))
    facts["assumed"] = assumed
    facts |= estimate(head, data, trainer, device, timed=not options.no_timing)
    tested = options.test_after_fit is not False
    facts["devices"] = executions_of(head, data, facts["max_epochs"], test_after_fit=tested)
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(_table(facts))
    for found in facts["devices"]:
        print(f"\n{executions_table(found, facts['max_epochs'], test_after_fit=tested)}")
    if options.draw:
        for name, (circuit, _, _) in circuits_of(head, device).items():
            print(f"\n{name}\n{circuit.draw()}")
    return 0


def _dimension(head: Head, data: Namespace) -> int | None:
    """D of the embeddings, read only if the head has something to fit to them."""
    return None if head.preprocessing is None else local_features(data)


def _table(facts: dict[str, Any]) -> str:
    counts = dict(facts["parameters"])
    total = counts.pop("total")
    names = [_TEST_LABEL, *(f"  {name}" for name in counts), *(c["name"] for c in facts["circuits"])]
    width = max(map(len, names))
    shown = "its support vectors, known after the fit" if total is None else f"{total:>9,}"
    lines = [f"{'trainable parameters':<{width}}  {shown}"]
    lines += [f"{'  ' + name:<{width}}  {count:>9,}" for name, count in counts.items()]
    if facts["preprocessing"] is not None and facts["preprocessing"]["fitted_values"] != 0:
        fitted = facts["preprocessing"]["fitted_values"]
        number = "unknown" if fitted is None else f"{fitted:,}"  # the body is not on this machine
        lines.append(f"{'fitted, not trained':<{width}}  {number:>9}  {facts['preprocessing']['name']}")
    if facts["assumed"]:
        lines.append(f"assumed: {' and '.join(facts['assumed'])}")
    if facts["circuits"]:
        lines += _circuits(facts, width)
    if facts["remark"]:
        lines += ["", *textwrap.wrap(f"note: {facts['remark']}", _MOST_COLUMNS, subsequent_indent="  ")]
    return "\n".join([*lines, "", *_times(facts, width)])


def _circuits(facts: dict[str, Any], width: int) -> list[str]:
    head = f"{'qubits':>9}  {'parameters':>10}  {'1-qubit gates':>13}  {'2-qubit gates':>13}  {'runs a sample':>13}"
    rows = [
        f"{c['name']:<{width}}  {c['num_qubits']:>9}  {c['num_parameters']:>10,}  "
        f"{c['one_qubit_gates']:>13,}  {c['two_qubit_gates']:>13,}  {c['runs_a_sample']:>13,}  {c['engine']}"
        for c in facts["circuits"]
    ]
    reasons = dict.fromkeys(f"{c['engine']}: {c['reason']}" for c in facts["circuits"] if c["reason"])
    chosen = [line for text in reasons for line in textwrap.wrap(text, _MOST_COLUMNS, subsequent_indent="  ")]
    measured = [f"{c['name']} measures wires {c['measured']}" for c in facts["circuits"] if "measured" in c]
    batch = f"a batch of {facts['batch_size']} has {facts['amplitudes']:,} amplitudes; {_memory(facts)}"
    return ["", f"{'circuit':<{width}}  {head}  engine", *rows, *chosen, *measured, "", batch]


def _memory(facts: dict[str, Any]) -> str:
    free = f"{bytes_text(facts['bytes_free'])} are free{'' if facts['device'] == 'cpu' else ' on the GPU'}"
    if facts["bytes_per_step"] is None:
        return f"the memory of a training step is not known; {free}"
    return f"a training step needs about {bytes_text(facts['bytes_per_step'])}, {free}"


def _times(facts: dict[str, Any], width: int) -> list[str]:
    timing = facts["timing"]
    if facts["not_timed"] is not None:
        return textwrap.wrap(f"not timed: {facts['not_timed']}", _MOST_COLUMNS, subsequent_indent="  ")
    num_threads = facts["num_threads"]
    where = f"CPU, {num_threads} thread{'s' * (num_threads > 1)}" if facts["device"] == "cpu" else "GPU"
    rows = [
        ("  training step", timing["step_s"], _timed(timing["steps_timed"], facts["batch_size"])),
        (
            _TEST_LABEL,
            timing["inference_s_per_1000"],
            _timed(timing["inference_batches_timed"], timing["inference_batch_size"]),
        ),
    ]
    if timing["epoch_s"] is not None:
        how = f"{facts['steps_per_epoch']} steps, {facts['validated_per_epoch']} sentences validated"
        rows.append(("  epoch", timing["epoch_s"], how))
    if timing["run_s"] is not None:
        rows.append(
            (f"  all {facts['max_epochs']:,} epochs", timing["run_s"], "the head alone, without embedding and logging")
        )
    return [
        f"measured here ({where})",
        *(f"{name:<{width}}  {_time_text(seconds):>9}  {how}" for name, seconds, how in rows),
    ]


def _timed(num_timed: int, batch_size: int) -> str:
    return f"batch of {batch_size}, {f'median of {num_timed}' if num_timed > 1 else 'one timed'}"


def _time_text(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.2f} ms" if seconds < 0.01 else f"{1000 * seconds:.1f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:,.1f} days"
