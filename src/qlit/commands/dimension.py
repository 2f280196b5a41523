"""`qlit dimension`: how many directions of the embeddings the classes need, and whether products of them help."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

import numpy as np

from qlit.commands.parsers.dimension import COMPONENTS, FIGURE_SUFFIXES, parser_of
from qlit.comparisons.dimension import Part, SplitParts, accuracies_on_components, findings_of
from qlit.jobs.config.arguments import split_overrides
from qlit.jobs.job import Job
from qlit.jobs.notices import print_notices
from qlit.jobs.terminal import quieten
from qlit.reports.dimension import dimension_figure, dimension_text, enough_text, products_text
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output
from qlit.training.datamodule import Part as PartName
from qlit.training.datamodule import SentenceDataModule


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit dimension` and return its exit status."""
    own, overrides = split_overrides(arguments)
    options = parser_of(f"qlit {command}").parse(own)
    _check(options)
    quieten()
    # Without a config, the data section has its defaults; the head is not used.
    config = ["--model.head", "LinearHead"] if options.config is None else ["--config", options.config]
    section = Job([*config, *overrides]).config["data"]
    if section["trainable_body"]:
        raise UsageError("the embeddings of a trainable body change during a training: leave data.trainable_body out.")
    modules = [_loaded({**section, "seed": options.first_seed + k}) for k in range(options.seeds)]
    if len({tuple(sorted(each.split.train)) for each in modules}) < len(modules):  # as the data set's own split
        raise UsageError("several seeds gave the same training split, so there is no spread to measure: take few_shot.")
    splits = [_parts_of(each) for each in modules]
    num_train, num_features = splits[0].train.embeddings.shape
    most = min(num_train - 1, num_features)
    numbers = options.components or [k for k in COMPONENTS if k <= most]
    curves = accuracies_on_components(splits, numbers, options.most_with_products)
    margin = options.margin / 100
    findings, first = findings_of(curves, margin), modules[0]
    sizes = (
        f"{num_train:,} train / {len(splits[0].validation.labels):,} validation / {len(splits[0].test.labels):,} test"
    )
    heading = f"{first.texts.name}: {sizes} sentences, {options.seeds} splits, {first.embedded_by}"
    print_notices(first.notices)
    if options.plot is not None:
        note = f"Logistic regression, {options.seeds} splits; bars and band: 95 % intervals over the splits."
        dimension_figure(curves, title=f"{first.texts.name}, {first.embedded_by}", note=note).savefig(options.plot)
    if options.json:
        result = {
            "data": first.texts.name, "body": first.embedded_by.removeprefix("body "), "num_train": num_train,
            "splits": [each.split.fingerprint for each in modules], "margin": margin,
            "curves": [{**asdict(each), "mean": each.mean, "interval": each.interval} for each in curves],
            "findings": asdict(findings),
            "sentences": [enough_text(curves[0], findings, margin), products_text(findings)],
        }  # fmt: skip
        print(json.dumps(result, indent=2))
    else:
        print(dimension_text(curves, findings, margin, heading=heading))
    return 0


def _check(options: argparse.Namespace) -> None:
    check_output(options.plot, suffixes=FIGURE_SUFFIXES)
    if options.seeds < 2:
        raise UsageError(f"`--seeds >= 2` must hold, as intervals are over splits, but got {options.seeds}.")
    if options.first_seed < 0:
        raise UsageError(f"`--first_seed >= 0` must hold, but got {options.first_seed}.")
    if not 0 < options.margin <= 100:  # also for NaN
        raise UsageError(f"`0 < --margin <= 100` points must hold, but got {options.margin:g}.")
    if options.most_with_products < 0:
        raise UsageError(f"`--most_with_products >= 0` must hold, but got {options.most_with_products}.")


def _loaded(section: dict[str, object]) -> SentenceDataModule:
    data = SentenceDataModule(**section)  # type: ignore[arg-type] # the parser has checked the section
    data.prepare_data()
    return data


def _parts_of(data: SentenceDataModule) -> SplitParts:
    labels = np.asarray(data.texts.labels)
    parts: Sequence[str] = ("train", "validation", "test")
    found = []
    for name in parts:
        embeddings, _ = data.part(cast(PartName, name))
        assert embeddings is not None, "the body is frozen"
        found.append(Part(embeddings.double().numpy(), labels[getattr(data.split, name)]))
    return SplitParts(*found)
