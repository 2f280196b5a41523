"""`qlit circuit diagnose`: gradient variance, expressibility and entanglement of a config's circuits."""

import json
import math
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from qlit.circuits.random_parameters import Diagnosis, ExponentialFit, exponential_fit
from qlit.commands.parsers.diagnose import FIGURE_SUFFIXES, joined, parser_of
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.diagnostics.families import Family, families_of, left_out
from qlit.jobs.diagnostics.sampling import check_size, diagnose
from qlit.jobs.estimates.sizes import fill_local_sizes
from qlit.jobs.estimates.training import config_parser, read_config
from qlit.jobs.terminal import quieten
from qlit.reports.diagnosis_figure import Curves, diagnosis_figure
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output

_COLUMNS = 80
_MAX_SEED = 2**32 - 1


def diagnose_circuits(prog: str, arguments: Sequence[str]) -> int:
    """Run `qlit circuit diagnose` and return its exit status."""
    own, overrides = split_overrides(joined(arguments))
    options = parser_of(prog).parse(own)
    if not options.config:
        raise UsageError("name a config: qlit circuit diagnose --config single_sqe.")
    if not 0 <= options.seed <= _MAX_SEED:
        raise UsageError(f"`0 <= seed <= {_MAX_SEED}` must hold, but got {options.seed}.")
    check_output(options.plot, suffixes=FIGURE_SUFFIXES)
    quieten()
    words = [word for path in options.config for word in ("--config", path)]
    config, _ = read_config(config_parser(prog), [*words, *overrides], fill_sizes=fill_local_sizes)
    families = families_of(config.model.head)
    for remark in left_out(config.model.head, families):
        print(f"{prog}: note: {remark}", file=sys.stderr)
    circuits = {family.name: [family.circuit(number) for number in options.qubits] for family in families}
    for circuit in [each for of_family in circuits.values() for each in of_family]:
        check_size(circuit, options.samples)  # before the first of them runs
    found: dict[str, list[Diagnosis]] = {family.name: [] for family in families}
    work = [(number, family, circuit) for number, family in enumerate(families) for circuit in circuits[family.name]]
    for number, family, circuit in tqdm(work, unit="circuit", disable=None, leave=False):
        made = diagnose(
            circuit,
            wire=family.wire,
            num_samples=options.samples,
            seed=(options.seed, number, circuit.num_qubits),
            bins=options.bins,
        )
        found[family.name].append(made)
    fits = {name: _fit(rows) for name, rows in found.items()}
    what = f"{options.samples:,} random vectors of parameters, seed {options.seed}"
    if options.json:
        print(json.dumps(_report(families, found, fits, vars(options)), indent=2))
    else:
        print(_text(families, found, fits, what))
    if options.plot is not None:
        curves = [Curves(family.name, found[family.name], fits[family.name]) for family in families]
        remarks = [remark for family in families if (remark := family.remark(min(options.qubits)))]
        note = " ".join([f"{what}; 95 % bootstrap intervals.", *remarks])
        diagnosis_figure(curves, note=note).savefig(options.plot)
    return 0


def _fit(rows: Sequence[Diagnosis]) -> ExponentialFit | None:
    return exponential_fit([row.num_qubits for row in rows], [row.gradient_variance.value for row in rows])


def _report(
    families: Sequence[Family],
    found: dict[str, list[Diagnosis]],
    fits: dict[str, ExponentialFit | None],
    options: dict[str, Any],
) -> dict[str, Any]:
    """All numbers as plain values."""
    return {
        "samples": options["samples"],
        "seed": options["seed"],
        "bins": options["bins"],
        "circuits": [
            {
                "name": family.name,
                "class": family.kind.__name__,
                "wire": family.wire,
                "remark": family.remark(min(options["qubits"])),
                "widths": [_plain(row) for row in found[family.name]],
                "fit": None if (fit := fits[family.name]) is None else fit._asdict(),
            }
            for family in families
        ],
    }


def _plain(row: Diagnosis) -> dict[str, Any]:
    estimates = ("gradient_variance", "expressibility", "entanglement")
    return {**asdict(row), **{name: getattr(row, name)._asdict() for name in estimates}}


def _text(
    families: Sequence[Family], found: dict[str, list[Diagnosis]], fits: dict[str, ExponentialFit | None], what: str
) -> str:
    lines = [f"{what}; in brackets 95 % intervals"]
    for family in families:
        rows = found[family.name]
        remark = family.remark(rows[0].num_qubits)
        lines += ["", f"{family.name} ({family.kind.__name__}), <Z> of wire {family.wire}", *_gradients(rows)]
        lines += [*_wrapped(_decay(fits[family.name], rows)), "", *_states(rows), *_wrapped(remark)]
    explained = (
        "largest: of the derivatives by one parameter. least, random: expressibility and entanglement of uniformly "
        "random states, with real amplitudes where the circuit's are real, else of Haar-random ones."
    )
    return "\n".join([*lines, "", *_wrapped(explained)])


def _gradients(rows: Sequence[Diagnosis]) -> list[str]:
    return [
        f"{'qubits':>6}{'parameters':>12}  {'gradient variance':<36}largest",
        *(
            f"{row.num_qubits:>6}{row.num_parameters:>12,}  {_estimate(row.gradient_variance, '.3g'):<36}"
            f"{row.largest_variance:.3g}"
            for row in rows
        ),
    ]


def _states(rows: Sequence[Diagnosis]) -> list[str]:
    return [
        f"{'qubits':>6}  {'expressibility':<24}{'least':<9}{'entanglement':<24}random",
        *(
            f"{row.num_qubits:>6}  {_estimate(row.expressibility, '.3f'):<24}{row.least_expressibility:<9.3f}"
            f"{_estimate(row.entanglement, '.3f'):<24}{row.random_entanglement:.3f}"
            for row in rows
        ),
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS)


def _estimate(estimate: Any, spec: str) -> str:
    return f"{estimate.value:{spec}} [{estimate.low:{spec}}, {estimate.high:{spec}}]"


def _decay(fit: ExponentialFit | None, rows: Sequence[Diagnosis]) -> str:
    if fit is None and len(rows) < 3:
        return "An exponential decay needs three or more numbers of qubits: --qubits 2 4 6 8."
    if fit is None:
        return "There is no exponential decay of a gradient variance of 0."
    return (
        f"The gradient variance follows exp({-fit.rate:.2f} qubits), a factor of {math.exp(-fit.rate):.2f} per "
        f"qubit; 95 % interval of the rate: {fit.low:.2f} to {fit.high:.2f}."
    )
