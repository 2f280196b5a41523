"""Cells of the paper's figures and tables from qlit's configs, and the trainings of a store that belong to them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qlit.comparisons.paper import PaperPart
from qlit.comparisons.planned_cells import CellValue, PartResult, PlannedCell, ToTrain
from qlit.comparisons.table_file import read_plan
from qlit.jobs.estimates.training import planned_seconds
from qlit.jobs.planned_fit import (
    FEATURES,
    command_text,
    feature_settings,
    fit_command,
    model_params,
    place_settings,
    recorded_key,
    recorded_model_params,
    resolved_config,
    setting_words,
    settings_key,
)
from qlit.jobs.study.state import state_text
from qlit.runtime.digest import digest
from qlit.runtime.option_words import option_words
from qlit.runtime.shipped_configs import shipped_configs
from qlit.runtime.yaml_text import load_yaml
from qlit.studies.designs import cells_of
from qlit.studies.files.study_file import read_study
from qlit.studies.fit_options import configs_and_overrides
from qlit.tracking.ended_fits import EndedFit
from qlit.tracking.kept_runs import KeptRuns

_NUM_TEST = 9101  # published number of test sentences, for estimates before the data is read
_EPOCHS = "trainer.max_epochs"
_SEEDS = {"data.seed": 0, "seed_everything": 0}


@dataclass(frozen=True)
class PlannedFit:
    """Trainings of one cell.

    Args:
        cell: The cell.
        configs: Config files.
        settings: Values by config key, without seeds.
        config: The resolved config.
        command: Words of the command that trains it with the other cells of its plan; empty if there is none.
    """

    cell: PlannedCell
    configs: tuple[Path, ...]
    settings: Mapping[str, Any]
    config: Mapping[str, Any]
    command: tuple[str, ...]


@dataclass(frozen=True)
class PlannedPart:
    """A figure or table with its cells.

    Args:
        part: The figure or table.
        fits: Its cells; empty for an estimate.
    """

    part: PaperPart
    fits: tuple[PlannedFit, ...] = ()


def planned_part(part: PaperPart) -> PlannedPart:
    """The cells of a figure or table, from its table file or study file."""
    if not part.plan:
        return PlannedPart(part)
    if part.plan.startswith("tables/"):
        rows = [row for row in read_plan(shipped_configs()[part.plan]).rows if part.row in ("", row.name)]
        fits = []
        for row in rows:
            # One training of the published length stands for itself; the rows of a table have lengths of their own.
            epochs = {} if row.epochs is None or part.row else {_EPOCHS: row.epochs}
            cell = PlannedCell(row.name, {}, "", 1 if part.row else row.seeds, None, row.published, row.parameters)
            command = () if part.row else ("table", part.plan)
            fits.append(_planned(cell, (row.config,), {**row.options, **epochs}, command))
        return PlannedPart(part, tuple(fits))
    fits = list(_of_study(part, part.plan))
    if part.without_series:
        fits = [*_of_study(part, part.without_series), *fits]
    return PlannedPart(part, tuple(fits))


def _of_study(part: PaperPart, plan: str) -> Iterator[PlannedFit]:
    study = read_study(shipped_configs()[plan])
    for cell in cells_of(study):
        configs, settings = configs_and_overrides(study, cell)
        levels = cell if plan == part.plan else {part.series: None, **cell}
        published = part.published.get(tuple(levels[name] for name in (part.x, part.series) if name))
        name = ", ".join(f"{key.rpartition('.')[2]} {level}" for key, level in levels.items() if level is not None)
        planned = PlannedCell(name, levels, "", len(study.replicates), None, published)
        yield _planned(planned, tuple(configs), settings, ("study", "run", "--config", plan))


def _planned(
    cell: PlannedCell, configs: tuple[Path, ...], settings: Mapping[str, Any], command: tuple[str, ...]
) -> PlannedFit:
    config = resolved_config(configs, settings)
    whole = replace(cell, key=settings_key(config), epochs=config["trainer"]["max_epochs"])
    return PlannedFit(whole, configs, settings, config, command)


def fits_by_cell(runs: KeptRuns, found: Sequence[EndedFit], parts: Sequence[PlannedPart]) -> dict[str, list[EndedFit]]:
    """Ended trainings of the cells of some parts, by the key of their cell, in the order of `found`.

    The recorded config of one run is read for all that differ in their seeds alone, if its model may be a cell's.

    Raises:
        ValueError: If a recorded config is not YAML.
    """
    planned = [each for part in parts for each in part.fits]
    models, keys = {model_params(each.config) for each in planned}, {each.cell.key for each in planned}
    of_family: dict[str, str] = {}
    fits: dict[str, list[EndedFit]] = {}
    for fit in found:
        if recorded_model_params(fit.params) not in models:
            continue
        if fit.family not in of_family:
            text = runs.text(fit.run_id, "config.yaml")
            of_family[fit.family] = "" if text is None else recorded_key(text, fit.run_id)
        if (key := of_family[fit.family]) in keys:
            fits.setdefault(key, []).append(fit)
    return fits


@dataclass(frozen=True)
class Place:
    """Data and body of the trainings that a report found, or that its command line names.

    Args:
        words: Options that name them.
        num_features: Features of the body's embeddings; None to keep those of the configs.
    """

    words: tuple[str, ...] = ()
    num_features: int | None = None


def place_of(values: Sequence[CellValue], runs: KeptRuns) -> Place:
    """Data and body of values of one source, without what the configs name anyway."""
    fits = [fit for value in values for fit in (*value.fits, *value.diverged)]
    recorded = load_yaml(runs.text(fits[0].run_id, "config.yaml") or "{}", f"the config of run {fits[0].run_id}")
    usual = place_settings(resolved_config((shipped_configs()["single_sqe"],), {}))
    words = setting_words({key: value for key, value in place_settings(recorded).items() if usual.get(key) != value})
    features = [value for fit in fits for key, value in fit.params.items() if key in FEATURES and value.isdecimal()]
    return Place(tuple(words), int(features[0]) if features else None)


def with_commands(result: PartResult, planned: PlannedPart, place: Place) -> PartResult:
    """A result with the commands that train its missing cells.

    Args:
        result: The result.
        planned: The same part.
        place: Data and body to train on.
    """
    cells = {id(cell) for cell in result.missing(result.sources[0] if result.sources else None)}
    missing = [each for each in planned.fits if id(each.cell) in cells]
    resized = [feature_settings(each.config, place.num_features) for each in missing]
    to_train = [
        ToTrain(each.cell, fit_command(each.configs, {**each.settings, **sizes, **_SEEDS}, place.words))
        for each, sizes in zip(missing, resized, strict=True)
    ]
    # One command for a whole plan cannot give a size to some of its heads.
    alone = {each.command for each, sizes in zip(missing, resized, strict=True) if sizes or not each.command}
    plans = dict.fromkeys(each.command for each in missing if each.command not in alone)
    commands = [command_text([*words, *place.words]) for words in plans]
    commands += [one.command for one, each in zip(to_train, missing, strict=True) if each.command in alone]
    return replace(result, to_train=tuple(to_train), commands=tuple(commands))


class Timing:
    """Estimated seconds of trainings on this machine; models of one size are timed once."""

    def __init__(self) -> None:
        self._known: dict[str, float | None] = {}

    def timed(self, result: PartResult, planned: PlannedPart) -> PartResult:
        """A result with estimated times of its missing cells."""
        fits = {id(each.cell): each for each in planned.fits}
        timed = (replace(each, estimated_s=self._seconds(fits[id(each.cell)])) for each in result.to_train)
        return replace(result, to_train=tuple(timed))

    def _seconds(self, fit: PlannedFit) -> float | None:
        size = digest([_sized(fit.config["model"]["head"]), fit.cell.epochs])
        if size not in self._known:
            self._known[size] = planned_seconds(option_words(fit.configs, fit.settings), num_test=_NUM_TEST)
        return self._known[size]


def _sized(head: Any) -> Any:
    """A head without the error rates of gate noise, on whose size its time does not depend."""
    if isinstance(head, Mapping):
        return {key: bool(value) if key in ("p1", "p2") else _sized(value) for key, value in head.items()}
    return head


def study_texts(planned: PlannedPart, known_runs: Collection[str]) -> str:
    """State of the studies of a part, as of `state_text`; "" without any."""
    plans = [plan for plan in (planned.part.without_series, planned.part.plan) if plan.startswith("studies/")]
    texts = [state_text(read_study(shipped_configs()[plan]), known_runs) for plan in plans]
    return " ".join(text for text in texts if text)
