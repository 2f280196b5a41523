"""How large a study is and how long it will take, told and asked before it starts."""

import sys
from statistics import mean

from qlit.jobs.estimates.training import run_seconds
from qlit.runtime.durations import duration_text
from qlit.studies.definition import Cell, Study
from qlit.studies.designs import cells_of, level_at, num_trainings
from qlit.studies.fit_options import fit_options

ASK_FROM_S = 3600.0
_NUM_TIMED = 5  # cells that are timed, from the first to the last: cost may grow a hundredfold with qubits


def confirm_start(study: Study, num_workers: int, num_processes: int = 1, *, ask: bool, start_s: float = 0.0) -> bool:
    """Tell how many trainings a study has and about how long they take, and whether it is to start.

    Args:
        study: The study.
        num_workers: That will work on it.
        num_processes: Of a training.
        start_s: Seconds that a process takes to start: a worker once, the processes of a training every time.
        ask: Whether to ask before one that takes more than `ASK_FROM_S`; where nobody can answer, it is refused.

    Raises:
        ValueError: If there is nobody to ask.
    """
    count = num_trainings(study)
    estimated = estimated_s(study)
    told = f"{study.name}: {count:,} trainings{_stages(study)}"
    processes = f" in {num_processes} processes" if num_processes > 1 else ""
    if estimated is None:
        told += f"{processes}, of a length that is only known when one is done"
    else:
        estimated += start_s if processes else 0
        total = start_s + estimated * count / num_workers
        told += f" of about {duration_text(estimated)}{processes}, {duration_text(total)} with {num_workers} worker(s)"
        if study.hours is not None:
            told += f", of which {study.hours:g} h are allowed"
            total = min(total, 3600 * study.hours)
        if ask and total > ASK_FROM_S:
            if not sys.stdin.isatty():
                raise ValueError(f"{told}: that takes long, and there is nobody to ask; say --yes if you want it.")
            print(f"qlit study: {told}. Start it? [y/N] ", end="", file=sys.stderr, flush=True)
            return sys.stdin.readline().strip().lower() in ("y", "yes")
    print(f"qlit study: {told}", file=sys.stderr, flush=True)
    return True


def estimated_s(study: Study) -> float | None:
    """About how long a training takes: `run_seconds` of some cells with this process's threads; None if not known."""
    stages = []
    for number, cells in _some_cells(study):
        known = [each for each in (run_seconds(fit_options(study, cell)) for cell in cells) if each is not None]
        stages += [(number, mean(known))] if known else []
    total = sum(number for number, _ in stages)
    return sum(number * seconds for number, seconds in stages) / total if total else None


def _some_cells(study: Study) -> list[tuple[int, list[Cell]]]:
    """Cells that stand for all of a stage, and how many those are: of a design some, of a search its middle."""
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
