"""`qlit predict`: label sentences with a checkpoint."""

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from qlit.commands.parsers.predict import parser_of
from qlit.data.sentences import read_sentences
from qlit.jobs.summary import print_notices
from qlit.jobs.terminal import quieten
from qlit.runtime.output_files import check_output
from qlit.serving.predictor import Predictor, check_device

_SHOWN_CHARS = 70


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit predict` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    quieten()

    # Check the output and the device before the work.
    check_device(options.device)
    check_output(options.output)
    sentences = read_sentences(options.sentences, options.file)
    predictor = Predictor.from_checkpoint(
        options.checkpoint,
        body=options.body,
        trust_remote_code=options.trust_remote_code,
        device=options.device,
        uses_cache=True,
    )
    embeddings, notice = predictor.prepared(sentences)
    if notice is not None:
        print_notices([notice])
    predictions = predictor.predictions(predictor.logits_of(embeddings, sentences))
    rows = [(sentence, found.label, found.probability) for sentence, found in zip(sentences, predictions, strict=True)]
    if options.output:
        with Path(options.output).open("w", encoding="utf-8", newline="") as file:
            _write(rows, options.format, file)
    else:
        if options.format != "table" and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # for other programs: the same bytes in every locale
        _write(rows, options.format, sys.stdout)
    return 0


def _write(rows: Iterable[tuple[str, str, float]], form: str, file: TextIO) -> None:
    if form == "csv":
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label", "probability"))
        writer.writerows((sentence, label, f"{probability:.6f}") for sentence, label, probability in rows)
    elif form == "jsonl":
        for sentence, label, probability in rows:
            row = {"text": sentence, "label": label, "probability": round(probability, 6)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        rows = list(rows)
        width = max(len("label"), *(len(label) for _, label, _ in rows))
        file.write(f"{'label':<{width}}  probability  sentence\n")
        for sentence, label, probability in rows:
            file.write(f"{label:<{width}}  {probability:>11.3f}  {_shortened(sentence)}\n")


def _shortened(sentence: str) -> str:
    printable = "".join(" " if unicodedata.category(character).startswith("C") else character for character in sentence)
    return printable if len(printable) <= _SHOWN_CHARS else f"{printable[: _SHOWN_CHARS - 3]}..."
