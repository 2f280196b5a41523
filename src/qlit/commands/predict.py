"""`qlit predict`: label sentences with a checkpoint."""

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor

from qlit.data import BodyFolder
from qlit.data.dimensions import embedding_dim_of
from qlit.data.lengths import cut_notice
from qlit.data.sentences import read_sentences
from qlit.jobs.checks.engines import check_engines
from qlit.jobs.config.arguments import CommandParser
from qlit.jobs.config.checkpoint_config import check_remote_devices
from qlit.jobs.config.checkpoints import load_checkpoint, read_checkpoint
from qlit.jobs.config.models import model_of_config
from qlit.jobs.summary import print_notices
from qlit.jobs.terminal import quieten
from qlit.runtime.output_files import check_output
from qlit.training.checkpoints.notes import check_label_names
from qlit.training.datamodule import SentenceDataModule
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.module import SentenceClassifier

_BATCH_SIZE = 256
_SHOWN_CHARS = 70


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit predict` and return its exit status."""
    parser = CommandParser(
        prog=f"qlit {command}",
        dash_hint="A sentence that begins with a dash can follow a single --, or be in a file given by --file.",
        description="Label sentences with a checkpoint; without sentences and --file, the lines of standard input.",
        epilog="The embedding cache keeps the embeddings of the sentences (see docs/runs.md).",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`, which contains the config")
    parser.add_argument("sentences", nargs="*", default=[], help="sentences to label")
    parser.add_argument("--file", help="text file with one sentence per line; - for standard input")
    parser.add_argument("--format", choices=("table", "csv", "jsonl"), default="table", help="default: table")
    parser.add_argument("--output", help="write to this file instead of standard output")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code of the body; read it first")
    parser.add_argument("--device", default="cpu", help="torch device; default: cpu")
    options = parser.parse(arguments)
    quieten()

    # Check the output and the device before the work.
    _check_device(options.device)
    check_output(options.output)
    sentences = read_sentences(options.sentences, options.file)
    checkpoint = read_checkpoint(options.checkpoint)
    notes = checkpoint[CHECKPOINT_KEY]
    module, data = model_of_config(notes["config"])
    check_remote_devices(module.head)
    check_engines(module.head)
    label_names = check_label_names(notes, module.head.num_classes)
    body = load_checkpoint(module, data, checkpoint, options.body, trust_remote_code=options.trust_remote_code)
    logits = _logits(module, data, body, sentences, options.device)
    rows = _rows(sentences, logits, label_names)
    if options.output:
        with Path(options.output).open("w", encoding="utf-8", newline="") as file:
            _write(rows, options.format, file)
    else:
        if options.format != "table" and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # for other programs: the same bytes in every locale
        _write(rows, options.format, sys.stdout)
    return 0


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"Torch cannot use the device {name!r} here: {str(error).splitlines()[0]}") from error


@torch.inference_mode()
def _logits(
    module: SentenceClassifier,
    data: SentenceDataModule,
    body: BodyFolder,
    sentences: list[str],
    device: str,
) -> Tensor:
    """Logits of all sentences, shape (N, 1) or (N, k), on the CPU."""
    module.to(device)
    if module.body is None:
        cache = data.embedding_cache()
        if (dim := embedding_dim_of(body.path)) is not None:
            module.head.check_features(dim)  # before the body is loaded
        embeddings, lengths = cache.embed(sentences, body, device=device)
        module.head.check_features(embeddings.shape[1])
        module.check_usable({"": (embeddings, sentences)})
    else:
        lengths = module.body.lengths(sentences)
    if notice := cut_notice(body.name, {"": lengths}, sentences):
        print_notices([notice])
    parts = []
    for first in range(0, len(sentences), _BATCH_SIZE):
        batch = slice(first, first + _BATCH_SIZE)
        # The same sentence in the same place gets the same shots in every call.
        module.head.seed_shots(first, 0, len(sentences[batch]))
        if module.body is None:
            given = embeddings[batch].to(device)
        else:
            given = module.body(
                {name: part.to(device) for name, part in module.body.tokenize(sentences[batch]).items()}
            )
            if given.isfinite().all():
                module.check_usable({"": (given, sentences[batch])})
        parts.append(module.logits(given).cpu())
    found = torch.cat(parts)
    broken = [number for number, row in enumerate(found, 1) if not row.isfinite().all()]
    if broken:
        raise ValueError(
            f"The checkpoint gives no finite number for {len(broken):,} of {len(sentences):,} sentences, the first is "
            f"number {broken[0]}: its training diverged. Train again with a lower learning rate (`model.lr`)."
        )
    return found


def _rows(sentences: list[str], logits: Tensor, label_names: list[str]) -> list[tuple[str, str, float]]:
    """(sentence, label, probability of that label)."""
    if logits.shape[1] == 1:
        positive = logits.double().sigmoid()
        probabilities = torch.cat((1 - positive, positive), dim=1)
    else:
        probabilities = logits.double().softmax(dim=1)
    best, chosen = probabilities.max(dim=1)
    return [
        (sentence, label_names[label], probability)
        for sentence, label, probability in zip(sentences, chosen.tolist(), best.tolist(), strict=True)
    ]


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
