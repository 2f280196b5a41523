"""Read sentences from arguments, a file or standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path


def read_sentences(given: Sequence[str], file: str | None) -> list[str]:
    """Read the sentences that a command line gives.

    Files and standard input are UTF-8 in every locale, with or without a byte order mark. A line ends with a newline,
    a carriage return, or both.

    Args:
        given: Sentences given as arguments.
        file: File with one sentence per line; "-" for standard input. Without `file` and `given`, standard input is
            read.
    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If both are given, there is no sentence, a line is blank, or something is not UTF-8 text.
    """
    if given and file:
        raise ValueError("Give sentences or --file, not both.")
    if given:
        sentences = list(given)
    elif file and file != "-":
        if not Path(file).is_file():
            raise FileNotFoundError(f"There is no file {file} (in {Path.cwd()}); check the path.")
        sentences = _lines(Path(file).read_bytes(), file)
    else:
        if sys.stdin.isatty() and not file:
            raise ValueError("There is nothing to label: give sentences, --file, or lines on standard input.")
        sentences = _lines(sys.stdin.buffer.read(), "Standard input")
    if not sentences:
        raise ValueError("There is nothing to label: the input is empty.")
    blank = [number for number, sentence in enumerate(sentences, 1) if not sentence.strip()]
    if blank:
        raise ValueError(
            f"Every line must be a sentence, but line {blank[0]} is blank ({len(blank)} in all); remove it."
        )
    for number, sentence in enumerate(sentences, 1):
        check_is_text(sentence, f"sentence {number}")
    return sentences


def check_is_text(sentence: str, name: str) -> None:
    """Raise a ValueError if a sentence contains bytes from the command line that are not UTF-8.

    Args:
        sentence: The sentence.
        name: Name of the sentence in the message.
    """
    if any("\ud800" <= character <= "\udfff" for character in sentence):
        raise ValueError(f"Sentences must be UTF-8 text, but {name} has bytes that are not.")


def _lines(content: bytes, name: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}); convert it first, for example with iconv.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []  # `splitlines` would also split at U+2028
