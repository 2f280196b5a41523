"""`qlit report`: the paper's figures and tables from finished trainings, beside the published numbers."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import qlit
from qlit.commands.parsers.report import DATA_KEYS, parser_of
from qlit.comparisons.paper import PARTS
from qlit.comparisons.planned_cells import CellValue, Energies, PartResult, sources_of, values_of
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.estimates.energy import EnergyModel, crossover, estimates
from qlit.jobs.paper_cells import (
    Place,
    PlannedPart,
    Timing,
    fits_by_cell,
    place_of,
    planned_part,
    study_texts,
    with_commands,
)
from qlit.jobs.terminal import quieten
from qlit.reports.paper.files import write
from qlit.reports.paper.terminal import commands_text, found_text
from qlit.runtime.checkout import checkout_of, version_that_runs
from qlit.runtime.errors import UsageError, nearest
from qlit.runtime.secrets import scrub
from qlit.tracking.ended_fits import EndedFit, EndedFits, Source, ended_fits
from qlit.tracking.kept_runs import KeptRuns

_MAX_QUBITS = 54
_CURVES = ("train/loss", "val/accuracy")


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit report` and return its exit status."""
    options, words = parse_arguments(command, arguments)
    quieten()
    runs = KeptRuns(options.tracking_uri)
    found = ended_fits(runs, options.experiment)
    planned = [planned_part(PARTS[name]) for name in options.parts]
    fits = fits_by_cell(runs, found.fits, planned)
    results = [_result(part, _of_sources(fits, options), runs) for part in planned]
    place = Place(tuple(words)) if words else _main_place(results, runs)
    known = {fit.run_id for fit in found.fits}
    results = [
        replace(with_commands(result, part, place), study=study_texts(part, known))
        for result, part in zip(results, planned, strict=True)
    ]
    if not options.no_timing:
        results = _timed(results, planned)
    for sentence in _notices(found, results, runs):
        _say(sentence)
    page = write(results, Path(options.output), _facts(runs), basis_text(options))
    print(found_text(results))
    if text := commands_text(results, basis_text(options)):
        print(f"\n{text}")
    print(f"\n{page}")
    return 0


def parse_arguments(command: str, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return its options and the words that name data.

    Raises:
        UsageError, ValueError, OSError: If the options are invalid, or the output folder cannot be written.
    """
    own, words = split_overrides(arguments)
    options = parser_of(f"qlit {command}").parse(own)
    known = ", ".join(PARTS)
    for name in options.parts:
        if name not in PARTS:
            raise UsageError(f"there is no figure or table {name!r}{nearest(name, PARTS)}; there are {known}.")
    if not options.parts and not options.all:
        raise UsageError(f"name figures and tables, or give --all; there are {known}.")
    options.parts = [name for name in PARTS if options.all or name in options.parts]
    for word in words:
        name = word.partition("=")[0]
        if word.startswith("--") and name not in {f"--data.{key}" for key in DATA_KEYS}:
            raise UsageError(f"{name} does not name data or a body, and a report trains nothing; leave it out.")
    _check_folder(Path(options.output))
    return options, words


def _check_folder(folder: Path) -> None:
    """Create the output folder, and check that it can be written.

    Raises:
        ValueError: If it is a file, or below one, or the system refuses.
    """
    taken = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not taken.is_dir():
        raise ValueError(f"The output folder {folder} cannot be created, because {taken} is a file; name another one.")
    probe = folder / ".qlit-report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"The output folder {folder} cannot be written ({error.strerror}); name another one with --output."
        ) from error


def _of_sources(fits: Mapping[str, Sequence[EndedFit]], options: argparse.Namespace) -> dict[str, list[EndedFit]]:
    """Trainings on the body and the data that the options name.

    Raises:
        ValueError: If there are trainings, but none on them.
    """
    sources = {fit.source.key: fit.source for mine in fits.values() for fit in mine}.values()
    name_of: dict[str, Callable[[Source], str]] = {
        "body": lambda source: source.body_name or source.data_name,
        "data": lambda source: source.data_name,
    }
    wanted = {what: {given, Path(given).name} for what in name_of if (given := getattr(options, what)) is not None}
    for what, given in wanted.items():
        names = sorted({name_of[what](source) for source in sources})
        if names and not given & set(names):
            raise ValueError(
                f"No training of these figures and tables has the {what} {getattr(options, what)!r}; there are "
                f"{', '.join(names)}."
            )
    return {
        key: [fit for fit in mine if all(name_of[what](fit.source) in given for what, given in wanted.items())]
        for key, mine in fits.items()
    }


def _result(planned: PlannedPart, fits: Mapping[str, Sequence[EndedFit]], runs: KeptRuns) -> PartResult:
    if planned.part.kind == "energy":
        return PartResult(planned.part, (), energies=_energies())
    cells = tuple(each.cell for each in planned.fits)
    values = values_of(cells, fits)
    result = PartResult(planned.part, cells, tuple(values), tuple(sources_of(values)))
    return replace(result, history=_history(values, runs)) if planned.part.kind == "epochs" else result


def _main_place(results: Sequence[PartResult], runs: KeptRuns) -> Place:
    """The data and the body with the most values in all parts; that of the configs without values."""
    values = [value for each in results for value in each.values]
    first = next(iter(sources_of(values)), None)
    return Place() if first is None else place_of([each for each in values if each.source.key == first.key], runs)


def _history(values: Sequence[CellValue], runs: KeptRuns) -> dict[str, list[tuple[int, float]]]:
    """Curves of the first training of the first value; empty without any."""
    fits = [fit for value in values for fit in value.fits]
    curves = runs.history(fits[0].run_id) if fits else {}
    return {name: curves[name] for name in _CURVES if name in curves}


def _energies() -> Energies:
    found = estimates(EnergyModel(), _MAX_QUBITS)
    qubits = tuple(each.num_qubits for each in found)
    qpu, gpu = tuple(each.qpu_kj for each in found), tuple(each.gpu_kj for each in found)
    return Energies(qubits, qpu, gpu, crossover(qpu, gpu, qubits))


def _timed(results: Sequence[PartResult], planned: Sequence[PlannedPart]) -> list[PartResult]:
    if any(each.to_train for each in results):
        _say("timing a few training steps of every missing model on this machine (--no_timing leaves this out)")
    timing = Timing()
    return [timing.timed(result, part) for result, part in zip(results, planned, strict=True)]


def _facts(runs: KeptRuns) -> dict[str, str]:
    """What the page says about itself."""
    version = version_that_runs(qlit.__version__, checkout_of(Path(qlit.__file__).parent))
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return {"made": made, "by": f"qlit {version}", "from MLflow at": scrub(runs.uri)}


def basis_text(options: argparse.Namespace) -> str:
    """How times were estimated."""
    if options.no_timing:
        return "no times, because of --no_timing"
    return "times: from a few training steps on this machine, one training after another, without embedding"


def _notices(found: EndedFits, results: Sequence[PartResult], runs: KeptRuns) -> Iterator[str]:
    where = scrub(runs.uri)
    if not any(each.cells for each in results):
        return
    if not found.fits:
        yield f"there is no finished training of this qlit in MLflow at {where}, so every accuracy is missing."
    elif not any(each.values for each in results):
        yield (
            f"none of the {len(found.fits)} ended trainings in MLflow at {where} has the settings of these figures and "
            "tables."
        )
    if found.num_other_numerics:
        yield (
            f"{found.num_other_numerics} finished trainings are of another version of the numerics, and are left out."
        )


def _say(text: str) -> None:
    print(f"qlit report: {text}", file=sys.stderr, flush=True)
