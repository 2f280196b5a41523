"""Cells of the paper's figures and tables, and the results that finished trainings give for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qlit.comparisons.paper import Level, PaperPart
from qlit.comparisons.statistics import PROPORTION, t_interval
from qlit.runtime.intervals import wilson_interval
from qlit.tracking.ended_fits import EndedFit, Source


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """One setting that a figure or a table of the paper needs trainings of.

    Args:
        name: Its name in tables: a row, or the levels of the factors.
        levels: Levels by factor; empty for rows of a table.
        key: Digest of its settings, which its trainings share.
        num_seeds: Planned number of seeds.
        epochs: Planned number of epochs; None if it is fitted in one step.
        published: Published test accuracy, per cent; None if the paper prints none.
        parameters: Published number of trainable parameters; None if the paper prints none.
    """

    name: str
    levels: Mapping[str, Level]
    key: str
    num_seeds: int
    epochs: int | None
    published: float | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class CellValue:
    """Trainings of one cell on one source with one number of epochs.

    Args:
        cell: The cell.
        source: Data and body of all trainings.
        fits: Finished trainings, at most one per pair of seeds; may be empty if all diverged.
        diverged: Diverged trainings. With one, there is no mean, because the mean of the others would be too high.
        num_others: Trainings of this cell and source with fewer epochs, which are not in the mean.
    """

    cell: PlannedCell
    source: Source
    fits: tuple[EndedFit, ...]
    diverged: tuple[EndedFit, ...] = ()
    num_others: int = 0

    @property
    def epochs(self) -> int | None:
        return (*self.fits, *self.diverged)[0].epochs

    @property
    def has_mean(self) -> bool:
        return bool(self.fits) and not self.diverged

    @property
    def accuracies(self) -> list[float]:
        """Test accuracies, in [0, 1]."""
        return [each.accuracy for each in self.fits]

    @property
    def mean(self) -> float:
        """Mean test accuracy, in [0, 1]."""
        return float(np.mean(self.accuracies))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean, in [0, 1]: Student's t over runs, or Wilson's over the sentences of a single run.

        It contains the mean.
        """
        over_runs = t_interval(self.accuracies, PROPORTION)
        return wilson_interval(self.mean, self.fits[0].num_test) if over_runs is None else over_runs

    @property
    def interval_text(self) -> str:
        """What the interval is over."""
        if len(self.fits) == 1:
            return f"Wilson, {self.fits[0].num_test:,} sentences of 1 split"
        return f"Student, {len(self.fits)} runs on {self.num_splits} split{'s' * (self.num_splits != 1)}"

    @property
    def is_short(self) -> bool:
        """Whether it has fewer epochs or seeds than planned."""
        num_seeds = len(self.fits) + len(self.diverged)
        return (self.epochs or 0) < (self.cell.epochs or 0) or num_seeds < self.cell.num_seeds

    @property
    def num_splits(self) -> int:
        return len({each.split for each in self.fits})

    @property
    def validation_accuracy(self) -> float | None:
        """Mean validation accuracy of the tested epochs, in [0, 1]; None if a run has none."""
        values = [each.validation_accuracy for each in self.fits]
        known = [each for each in values if each is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None

    @property
    def parameters(self) -> int | None:
        return self.fits[0].parameters if self.fits else None

    @property
    def commits(self) -> list[str]:
        return list(dict.fromkeys(each.commit for each in (*self.fits, *self.diverged)))

    @property
    def diverged_text(self) -> str:
        seeds = sorted(dict.fromkeys(each.seeds[0] for each in self.diverged))
        return f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)} diverged" if seeds else ""


@dataclass(frozen=True)
class Energies:
    """Energies of one inference by number of qubits.

    Args:
        num_qubits: Numbers of qubits.
        qpu_kj: Energies of the QPU, kJ.
        gpu_kj: Energies of the simulation on GPUs, kJ.
        crossover: Number of qubits from which the QPU needs less; None for none.
    """

    num_qubits: tuple[int, ...]
    qpu_kj: tuple[float, ...]
    gpu_kj: tuple[float, ...]
    crossover: int | None


@dataclass(frozen=True)
class ToTrain:
    """A missing cell, and how to fill it.

    Args:
        cell: The cell.
        command: Command that trains it with its first seed.
        estimated_s: Estimated seconds of one training; None if not known.
    """

    cell: PlannedCell
    command: str
    estimated_s: float | None = None

    @property
    def total_s(self) -> float | None:
        """Estimated seconds of all its trainings; None if not known."""
        return None if self.estimated_s is None else self.cell.num_seeds * self.estimated_s


@dataclass(frozen=True)
class PartResult:
    """One figure or table with the values that were found.

    Args:
        part: The figure or table.
        cells: Its cells, in order.
        values: Values of every cell that has some, at most one per source.
        sources: Sources of the values, those of most values first.
        to_train: Cells that the source with the most values lacks; all cells without any source.
        commands: Commands that train all missing cells; empty if nothing is missing.
        study: State of the study that trains the cells, in words; empty without one.
        history: Points (step, value) by metric of the run that an `epochs` part shows; empty without one.
        energies: Rows of an `energy` part.
    """

    part: PaperPart
    cells: tuple[PlannedCell, ...]
    values: tuple[CellValue, ...] = ()
    sources: tuple[Source, ...] = ()
    to_train: tuple[ToTrain, ...] = ()
    commands: tuple[str, ...] = ()
    study: str = ""
    history: Mapping[str, Sequence[tuple[int, float]]] | None = None
    energies: Energies | None = None

    def value(self, cell: PlannedCell, source: Source) -> CellValue | None:
        """The value of a cell on a source; None if it is missing."""
        found = [each for each in self.values if each.cell is cell and each.source.key == source.key]
        return found[0] if found else None

    def missing(self, source: Source | None) -> list[PlannedCell]:
        """Cells without any ended training on a source, or on any source for None."""
        return [
            cell
            for cell in self.cells
            if not any(each.cell is cell and (source is None or each.source.key == source.key) for each in self.values)
        ]

    @property
    def total_s(self) -> float | None:
        """Estimated seconds of the missing trainings whose time is known; None if none is."""
        known = [each.total_s for each in self.to_train if each.total_s is not None]
        return sum(known) if known else None

    @property
    def num_untimed(self) -> int:
        """Number of missing trainings whose time is not known."""
        return sum(each.cell.num_seeds for each in self.to_train if each.total_s is None)

    def chosen(self, source: Source, levels: Mapping[str, Level]) -> CellValue | None:
        """Of the cells with these levels, the one with the best validation accuracy on a source; None without any.

        Among equals, the first one.
        """
        found = [
            each
            for each in self.values
            if each.source.key == source.key
            and each.has_mean
            and all(each.cell.levels.get(name) == level for name, level in levels.items())
        ]
        return max(found, key=lambda each: each.validation_accuracy or 0.0, default=None)


def values_of(cells: Sequence[PlannedCell], fits: Mapping[str, Sequence[EndedFit]]) -> list[CellValue]:
    """Values of cells, one per cell and source.

    Trainings of different data, bodies or numbers of epochs are never in one value. Of several numbers of epochs, the
    largest one counts; of several runs with the same seeds, the youngest one.

    Args:
        cells: The cells.
        fits: Ended trainings by the key of their cell, the youngest first.
    """
    values = []
    for cell in cells:
        by_source: dict[tuple[str, str], list[EndedFit]] = {}
        for fit in fits.get(cell.key, ()):
            by_source.setdefault(fit.source.key, []).append(fit)
        for mine in by_source.values():
            most = max(fit.epochs or 0 for fit in mine)
            counted: dict[tuple[str, str], EndedFit] = {}
            for fit in mine:
                if (fit.epochs or 0) == most:
                    counted.setdefault(fit.seeds, fit)
            ended = sorted(counted.values(), key=lambda fit: (*map(_number, fit.seeds), fit.run_id))
            values.append(
                CellValue(
                    cell,
                    mine[0].source,
                    tuple(fit for fit in ended if not fit.has_diverged),
                    tuple(fit for fit in ended if fit.has_diverged),
                    sum((fit.epochs or 0) != most for fit in mine),
                )
            )
    return values


def sources_of(values: Sequence[CellValue]) -> list[Source]:
    """Sources of values, those of most values first."""
    counts: dict[tuple[str, str], int] = {}
    names: dict[tuple[str, str], Source] = {}
    for each in values:
        names.setdefault(each.source.key, each.source)
        counts[each.source.key] = counts.get(each.source.key, 0) + 1
    return [names[key] for key in sorted(counts, key=lambda key: (-counts[key], names[key].name, key))]


def _number(seed: str) -> float:
    return float(seed) if seed.isdecimal() else float("inf")
