"""`qlit table`: a table of our results beside the published ones."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qlit.commands.parsers.table import parser_of
from qlit.comparisons.table_file import Plan, PlannedRow, read_plan
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.series import Candidate, Series, stopped_status
from qlit.jobs.terminal import quieten
from qlit.reports.published_table import published_table
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output
from qlit.runtime.shipped_configs import path_of_config


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit table` and return its exit status."""
    options, overrides = parse_arguments(arguments)
    quieten()
    plan = read_plan(path_of_config(options.table))
    rows = _rows(plan, options)
    series = Series([_candidate(row, overrides) for row in rows])
    if options.no_training:
        series.find()
    elif (stopped := series.train()) is not None:
        return stopped_status(command, stopped)
    text = published_table(replace(plan, rows=tuple(rows)), series.runs, [sorted(found) for found in series.diverged])
    if diverged := series.diverged_text():
        print(f"qlit {command}: {diverged}", file=sys.stderr)
    if options.output:
        Path(options.output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def parse_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; return the options of the command and those for the configs of all rows.

    Raises:
        UsageError, FileNotFoundError: If the options are invalid, or the output file cannot be written.
    """
    own, overrides = split_overrides(arguments)
    options = parser_of("qlit table").parse(own)
    check_output(options.output)
    for name in ("max_seeds", "max_epochs"):
        if (limit := getattr(options, name)) is not None and limit < 1:
            raise UsageError(f"`--{name} >= 1` must hold, but got {limit}.")
    return options, overrides


def candidates_of(options: argparse.Namespace, overrides: Sequence[str]) -> list[Candidate]:
    """The models to train, one per row.

    Raises:
        ValueError, FileNotFoundError: If the table or a config does not exist or is not valid.
    """
    return [_candidate(row, overrides) for row in _rows(read_plan(path_of_config(options.table)), options)]


def _rows(plan: Plan, options: argparse.Namespace) -> list[PlannedRow]:
    """Rows of a table within the limits of the options."""
    return [_limited(row, options.max_seeds, options.max_epochs) for row in plan.rows]


def _limited(row: PlannedRow, max_seeds: int | None, max_epochs: int | None) -> PlannedRow:
    seeds = min(row.seeds, max_seeds or row.seeds)
    epochs = None if row.epochs is None else min(row.epochs, max_epochs or row.epochs)
    return replace(row, seeds=seeds, epochs=epochs)


def _candidate(row: PlannedRow, overrides: Sequence[str]) -> Candidate:
    if not row.config.is_file():
        raise FileNotFoundError(f"There is no config {row.config}, which the row {row.name!r} names; check the path.")
    options = dict(row.options)
    if row.epochs is not None:
        options["trainer.max_epochs"] = row.epochs
    seeds = tuple(range(row.seeds))
    return Candidate(row.name, seeds, tuple(overrides), configs=(row.config,), overrides=options)
