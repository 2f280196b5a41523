"""`qlit describe`: what a config's model is and needs, without loading data or body."""

import json
from typing import Any

import torch

from qlit.circuits import Circuit
from qlit.commands.model_config import model_parser
from qlit.commands.options import readable_errors
from qlit.commands.train import quieten
from qlit.heads import Head
from qlit.training.recorder import parameter_counts

# Statevector batches of the widest circuit alive at the peak of the torch engine's backward sweep, beside the final
# one that each circuit keeps for it; measured against real steps in tests/commands/test_describe.py. Not in it: about
# 10 MiB for libraries, and what glibc leaves in gaps between blocks below 32 MiB, which may be twice as much again.
STATES_AT_PEAK = 7


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit describe` and return its exit status."""
    parser = model_parser(
        prog=f"qlit {command}",
        description="Trainable parameters by module, gates, amplitudes and memory of a config's model; loads nothing.",
    )
    parser.add_argument("-c", "--config", action="config", help="config file; later ones win")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--draw", action="store_true", help="draw the circuits as well")
    for name in ("trainer", "tracking"):
        parser.add_argument(f"--{name}", type=dict[str, Any], default={}, help="as for qlit fit")
    for name in ("seed_everything", "test_after_fit", "ckpt_path"):
        parser.add_argument(f"--{name}", type=Any, help="as for qlit fit; says nothing of the model")
    quieten()
    with readable_errors():
        options = parser.parse_args(arguments)
        made = parser.instantiate(options)
    if str(options.trainer.get("precision")) in ("64", "64-true"):
        made.model.double()
    facts = describe(made.model.head, parameter_counts(made.model), made.data.batch_size)
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(_table(facts))
    if options.draw:
        for name, circuit in _circuits(made.model.head).items():
            print(f"\n{name}\n{circuit.draw()}")
    return 0


def describe(head: Head, counts: dict[str, int], batch_size: int) -> dict[str, Any]:
    """Counts of a head as plain values.

    Returns:
        `parameters` by module and in `total`; `circuits` with the qubits, parameters, and 1- and 2-qubit gates of each;
        `batch_size`; `amplitudes`, statevector amplitudes of all circuits for one batch; and `bytes_per_step`, the
        memory that the statevectors of a training step need at its peak with the torch engine.
    """
    circuits = _circuits(head)
    dtype = next(head.parameters()).dtype
    amplitudes = [batch_size * 2**circuit.num_qubits for circuit in circuits.values()]
    at_peak = STATES_AT_PEAK * max(amplitudes, default=0) + sum(amplitudes)
    return {
        "parameters": counts,
        "circuits": [
            {
                "name": name,
                "num_qubits": circuit.num_qubits,
                "num_parameters": circuit.num_parameters,
                "one_qubit_gates": circuit.num_one_qubit_gates,
                "two_qubit_gates": circuit.num_two_qubit_gates,
            }
            for name, circuit in circuits.items()
        ],
        "batch_size": batch_size,
        "amplitudes": sum(amplitudes),
        "bytes_per_step": at_peak * torch.finfo(dtype).bits // 8,
    }


def _circuits(head: Head) -> dict[str, Circuit]:
    """The circuits of a head by the name of the module that runs them."""
    named = ((name, getattr(module, "circuit", None)) for name, module in head.named_modules())
    return {name: circuit for name, circuit in named if isinstance(circuit, Circuit)}


def _table(facts: dict[str, Any]) -> str:
    counts = dict(facts["parameters"])
    total = counts.pop("total")
    width = max(len(name) for name in [*counts, "trainable parameters", *(c["name"] for c in facts["circuits"])])
    lines = [f"{'trainable parameters':<{width}}  {total:>9,}"]
    lines += [f"{'  ' + name:<{width}}  {count:>9,}" for name, count in counts.items()]
    lines += ["", f"{'circuit':<{width}}  {'qubits':>9}  {'parameters':>10}  {'RY gates':>9}  {'CNOT gates':>10}"]
    lines += [
        f"{c['name']:<{width}}  {c['num_qubits']:>9}  {c['num_parameters']:>10,}  "
        f"{c['one_qubit_gates']:>9,}  {c['two_qubit_gates']:>10,}"
        for c in facts["circuits"]
    ]
    lines += [
        "",
        f"a batch of {facts['batch_size']} has {facts['amplitudes']:,} amplitudes; "
        f"a training step needs about {_bytes(facts['bytes_per_step'])} (torch engine)",
    ]
    return "\n".join(lines)


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
