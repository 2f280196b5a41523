"""What `qlit report` prints: what was found, and what to run for the rest, the cheapest first."""

from collections.abc import Sequence

from qlit.comparisons.planned_cells import PartResult
from qlit.runtime.durations import duration_text

_MOST_COMMANDS = 6


def found_text(results: Sequence[PartResult]) -> str:
    """One line per part: how many of its cells have a value."""
    return "\n".join(f"  {each.part.name:<8}{_found(each)}" for each in results)


def _found(result: PartResult) -> str:
    if result.energies is not None:
        return "computed; needs no training"
    if not result.values:
        return f"none of {_cells(len(result.cells))}"
    lines = []
    for source in result.sources:
        mine = [each for each in result.values if each.source.key == source.key]
        short = sum(each.is_short for each in mine)
        noted = f", {short} with fewer epochs or seeds than planned" if short else ""
        lines.append(f"{len(mine)} of {_cells(len(result.cells))}{noted}: {source.name}")
    return f"\n{'':10}".join(lines)


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def to_run(results: Sequence[PartResult]) -> list[PartResult]:
    """Parts with missing cells, the cheapest first, those of unknown cost last."""
    return sorted(
        (each for each in results if each.to_train), key=lambda each: (each.total_s is None, each.total_s or 0.0)
    )


def summary_of(result: PartResult) -> str:
    """What is missing of a part, in words: number of trainings, and time if it is known."""
    count = sum(each.cell.num_seeds for each in result.to_train)
    text = f"{count:,} training{'s' * (count != 1)}"
    if result.total_s is None:
        return text
    untimed = f" without {result.num_untimed:,} of unknown time" if result.num_untimed else ""
    return f"{text}, about {duration_text(result.total_s)}{untimed}"


def heading_of(results: Sequence[PartResult]) -> str:
    """Heading of the list of what to run."""
    return "To run, the cheapest first" if any(each.total_s is not None for each in results) else "To run"


def commands_text(results: Sequence[PartResult], basis: str) -> str:
    """What to run, the cheapest first; empty if nothing is missing.

    Args:
        results: The parts.
        basis: How the times were estimated.
    """
    parts = to_run(results)
    lines = [f"{heading_of(results)} ({basis}):"] if parts else []
    for each in parts:
        lines.append(f"\n{each.part.name}, {summary_of(each)}:")
        lines += [f"  {each.study}"] if each.study else []
        lines += [f"  {command}" for command in each.commands]
        if len(each.to_train) < len(each.cells) and len(each.to_train) <= _MOST_COMMANDS:
            lines += [f"  {one.command}" for one in each.to_train if one.command not in each.commands]
    return "\n".join(lines)
