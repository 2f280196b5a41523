"""`qlit predict`: sentences and a checkpoint in, labels and probabilities out."""

import argparse
import csv
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor

from qlit.commands.checkpoints import load_weights, read_checkpoint
from qlit.commands.devices import check_engines
from qlit.commands.model_config import model_of_config
from qlit.commands.outputs import check_output
from qlit.commands.train import quieten
from qlit.data import EmbeddingCache
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import CHECKPOINT_KEY, SentenceClassifier

_BATCH_SIZE = 256
_SHOWN_CHARS = 70


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit predict` and return its exit status."""
    parser = argparse.ArgumentParser(
        prog=f"qlit {command}",
        description="Label sentences with a checkpoint; without any or --file, lines of standard input.",
        epilog="Embeddings of the sentences are kept in the embedding cache (docs/runs.md says where).",
    )
    parser.add_argument("checkpoint", help="a best.ckpt or last.ckpt of `qlit fit`; it carries all that is needed")
    parser.add_argument("sentences", nargs="*", help="sentences to label")
    parser.add_argument("--file", help="text file with one sentence a line; - for standard input")
    parser.add_argument("--format", choices=("table", "csv", "jsonl"), default="table", help="default: table")
    parser.add_argument("--output", help="write there instead of standard output")
    parser.add_argument("--body", help="body to use, if the one named in the checkpoint has moved")
    parser.add_argument("--device", default="cpu", help="torch device; default: cpu")
    options = parser.parse_args(arguments)
    quieten()

    # Whatever may be wrong with the output or the device is known before the work, not after it.
    _check_device(options.device)
    check_output(options.output)
    sentences = _sentences(options.sentences, options.file)
    checkpoint = read_checkpoint(options.checkpoint)
    notes = checkpoint[CHECKPOINT_KEY]
    module, data = model_of_config(notes["config"])
    check_engines(module.head)
    logits = _logits(module, data, checkpoint["state_dict"], sentences, options.body or data.body_name, options.device)
    rows = _rows(sentences, logits, notes["label_names"])
    if options.output:
        with Path(options.output).open("w", encoding="utf-8", newline="") as file:
            _write(rows, options.format, file)
    else:
        _write(rows, options.format, sys.stdout)
    return 0


def _sentences(given: Sequence[str], file: str | None) -> list[str]:
    if given and file:
        raise ValueError("Give sentences or --file, not both.")
    if given:
        sentences = list(given)
    elif file and file != "-":
        if not Path(file).is_file():
            raise FileNotFoundError(f"There is no file {file} (in {Path.cwd()}); check the path.")
        try:
            sentences = _lines(Path(file).read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not UTF-8 text ({error}); convert it first, say with iconv.") from error
    else:
        if sys.stdin.isatty() and not file:
            raise ValueError("There is nothing to label: give sentences, --file, or lines on standard input.")
        sentences = _lines(sys.stdin.read())
    blank = [number for number, sentence in enumerate(sentences, 1) if not sentence.strip()]
    if blank or not sentences:
        raise ValueError(
            f"Every line must be a sentence, but line {blank[0]} is blank ({len(blank)} in all); remove it."
            if blank
            else "There is nothing to label: the input is empty."
        )
    broken = [
        number for number, sentence in enumerate(sentences, 1) if any("\ud800" <= c <= "\udfff" for c in sentence)
    ]
    if broken:
        raise ValueError(f"Sentences must be UTF-8 text, but sentence {broken[0]} has bytes that are not.")
    return sentences


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"Torch cannot use the device {name!r} here: {str(error).splitlines()[0]}") from error


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []  # `splitlines` would cut at U+2028 and the like too


@torch.inference_mode()
def _logits(
    module: SentenceClassifier,
    data: SentenceDataModule,
    weights: dict[str, Tensor],
    sentences: list[str],
    body_name: str,
    device: str,
) -> Tensor:
    """Logits of all sentences, shape (N, 1) or (N, k), on the CPU."""
    body = load_weights(module, data, weights, body_name)
    module.to(device)
    if module.body is None:
        cache = EmbeddingCache(Path(data.cache_dir) if data.cache_dir else None)
        embeddings = cache.embed(sentences, body, device=device)
        module.head.check_features(embeddings.shape[1])
    parts = []
    for first in range(0, len(sentences), _BATCH_SIZE):
        batch = slice(first, first + _BATCH_SIZE)
        # The same sentence in the same place gets the same shots in every call.
        module.head.seed_shots(first, 0, len(sentences[batch]))
        if module.body is None:
            logits = module(embeddings[batch].to(device))
        else:
            logits = module(
                {name: tensor.to(device) for name, tensor in module.body.tokenize(sentences[batch]).items()}
            )
        parts.append(logits.cpu())
    return torch.cat(parts)


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
        writer = csv.writer(file)
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
