"""`qlit predict`: label sentences with a checkpoint."""

import argparse
import io
import sys
from pathlib import Path

from torch import Tensor

from qlit.commands.parsers.predict import parser_of
from qlit.data import Notice
from qlit.data.pairs import is_pair, sentences_of
from qlit.data.sentence_tables import SentenceTable
from qlit.data.sentences import pairs_of_lines, read_pairs, read_sentences
from qlit.data.vectors import read_vectors_to_label, shown_texts, vectors_of
from qlit.jobs.notices import print_notices
from qlit.jobs.terminal import quieten
from qlit.reports.predictions import PredictedTable, check_columns, write_predictions
from qlit.runtime.errors import UsageError
from qlit.runtime.output_files import check_output
from qlit.serving.predictor import Predictor, check_device


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit predict` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    quieten()

    # Check the output and the device before the work.
    check_device(options.device)
    check_output(options.output)
    form = options.format or _format_of(options.output)
    given = _given(options)
    if form != "table":
        check_columns(given.columns, options.file)
    predictor = Predictor.from_checkpoint(
        options.checkpoint,
        body=options.body,
        trust_remote_code=options.trust_remote_code,
        device=options.device,
        uses_cache=True,
        seed=options.seed,
        exact=options.exact,
    )
    if options.embeddings is None:
        given = _of_kind(given, options, are_pairs=predictor.are_pairs)
    logits, cut = _logits(predictor, given, are_embeddings=options.embeddings is not None)
    print_notices(notice for notice in (_blank_notice(given), predictor.sampling_notice, cut) if notice is not None)
    predictions = predictor.predictions(logits)
    table = PredictedTable(
        [shown_texts(sentences_of(text)) for text in given.sentences],
        [found.label for found in predictions],
        [found.probabilities for found in predictions],
        given.columns,
        given.rows,
    )
    if options.output:
        with Path(options.output).open("w", encoding="utf-8", newline="") as file:
            write_predictions(table, form, file, shows_all=options.all)
    else:
        if form != "table" and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # for other programs: the same bytes in every locale
        write_predictions(table, form, sys.stdout, shows_all=options.all)
    return 0


def _given(options: argparse.Namespace) -> SentenceTable:
    """The sentences or pairs to label, or the rows of a file of embeddings."""
    if options.embeddings is not None:
        if options.sentences or options.pair or options.file or options.body:
            raise UsageError("--embeddings takes the place of sentences, --pair, --file and --body; leave these out.")
        return SentenceTable(read_vectors_to_label(options.embeddings, text_column=options.text_column or "text"))
    if not options.pair and options.second_text_column is None:
        return read_sentences(options.sentences, options.file, options.text_column)
    if options.sentences:
        raise UsageError("Give sentences or pairs, not both: every pair is --pair FIRST SECOND.")
    return read_pairs(options.pair, options.file, options.text_column, options.second_text_column)


def _of_kind(given: SentenceTable, options: argparse.Namespace, *, are_pairs: bool) -> SentenceTable:
    """The sentences or pairs that a model takes: lines become pairs if it takes pairs.

    Raises:
        UsageError: If the other kind was given.
    """
    if are_pairs == is_pair(given.sentences[0]):
        return given
    if not are_pairs:
        raise UsageError(
            "The checkpoint was trained on single sentences, not on pairs: give sentences, or --file with "
            "--text_column, and leave --pair and --second_text_column out."
        )
    if options.sentences or given.columns:
        raise UsageError(
            "The checkpoint was trained on pairs of sentences, not on single ones: give every pair as --pair FIRST "
            "SECOND, or the columns of a table as --text_column and --second_text_column."
        )
    return pairs_of_lines(given)


def _logits(predictor: Predictor, given: SentenceTable, *, are_embeddings: bool) -> tuple[Tensor, Notice | None]:
    """Logits, shape (N, 1) or (N, k), and a notice on truncated sentences."""
    if are_embeddings:
        predictor.check_takes_embeddings()
        return predictor.logits(vectors_of(given.sentences)), None
    embeddings, cut = predictor.prepared(given.sentences)
    return predictor.logits_of(embeddings, given.sentences), cut


def _format_of(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower()
    return suffix[1:] if suffix in (".csv", ".tsv", ".jsonl") else "table"


def _blank_notice(given: SentenceTable) -> Notice | None:
    if not given.num_blank:
        return None
    skipped = (
        "1 line or row without a sentence was"
        if given.num_blank == 1
        else (f"{given.num_blank:,} lines or rows without a sentence were")
    )
    return Notice("blank", f"{skipped} skipped{f', the first is {given.first_blank}' * bool(given.first_blank)}.")
