"""Print the size and the estimated time of a study, and ask before a long one starts."""

import sys
from statistics import mean

from qlit.jobs.estimates.training import run_seconds
from qlit.runtime.durations import duration_text
from qlit.runtime.quiet import is_quiet
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of, level_at, num_trainings
from qlit.studies.fit_options import fit_options

ASK_FROM_S = 3600.0
_NUM_TIMED = 5  # cells that are timed, from the first to the last: cost may grow a hundredfold with qubits


def confirm_start(study: Study, num_workers: int, num_processes: int = 1, *, ask: bool, start_s: float = 0.0) -> bool:
    """Print the number of trainings and their estimated time; return whether the study should start.

    Args:
        study: The study.
        num_workers: Number of its workers.
        num_processes: Number of processes of one training.
        ask: Whether to ask before a study of more than `ASK_FROM_S`.
        start_s: Seconds that a process takes to start. A worker starts once, the processes of a training every time.

    Raises:
        ValueError: If it must ask, but standard input is not a terminal.
    """
    count = num_trainings(study)
    estimated = estimated_s(study)
    text = f"{study.name}: {count:,} trainings{_stages(study)}"
    processes = f" in {num_processes} processes" if num_processes > 1 else ""
    if estimated is None:
        text += f"{processes}, of a length that is known after the first one"
    else:
        estimated += start_s if processes else 0
        total = start_s + estimated * count / num_workers
        text += f" of about {duration_text(estimated)}{processes}, {duration_text(total)} with {num_workers} worker(s)"
        if study.hours is not None:
            text += f", of which {study.hours:g} h are allowed"
            total = min(total, 3600 * study.hours)
        if ask and total > ASK_FROM_S:
            if not sys.stdin.isatty():
                raise ValueError(f"{text}: this takes long, and standard input is not a terminal; confirm with --yes.")
            print(f"qlit study: {text}. Start it? [y/N] ", end="", file=sys.stderr, flush=True)
            return sys.stdin.readline().strip().lower() in ("y", "yes")
    if not is_quiet():
        print(f"qlit study: {text}", file=sys.stderr, flush=True)
    return True


def estimated_s(study: Study) -> float | None:
    """Estimate the seconds of a training from `run_seconds` of some cells; None if not known."""
    stages = []
    for number, cells in _some_cells(study):
        known = [each for each in (run_seconds(fit_options(study, cell)) for cell in cells) if each is not None]
        stages += [(number, mean(known))] if known else []
    total = sum(number for number, _ in stages)
    return sum(number * seconds for number, seconds in stages) / total if total else None


def _some_cells(study: Study) -> list[tuple[int, list[Cell]]]:
    """Number of cells of every stage, and the cells to time: some of a design, the middle of a search."""
    stages = []
    if not study.design.is_search:
        cells = cells_of(study)
        places = {round(part * (len(cells) - 1) / (_NUM_TIMED - 1)) for part in range(_NUM_TIMED)}
        stages.append((len(cells), [cells[place] for place in sorted(places)]))
    if study.design.sampling.is_search:
        middle: Cell = {}
        for factor in study.factors:
            if factor.is_active(middle):
                middle[factor.name] = level_at(factor, 0.5)
        stages.append((study.design.sampling.size, [middle]))
    return stages


def _stages(study: Study) -> str:
    design = study.design
    if design.screen is None or design.search is None:
        return ""
    screening = len(cells_of(study)) * len(study.replicates)
    searched = design.search.size * len(study.replicates)
    which = "those that matter" if design.keep is None else f"the {design.keep} of largest effect"
    some = "up to " if design.significance is not None or study.pruner.kind != "none" else ""
    return f" ({screening:,} to screen {len(study.factors)} factors, then {some}{searched:,} to search {which})"
