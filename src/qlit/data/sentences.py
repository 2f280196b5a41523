"""Read sentences from arguments, a file or standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path

from qlit.data.sentence_tables import SentenceTable, is_table, read_sentence_table


def read_sentences(given: Sequence[str], file: str | None, text_column: str | None = None) -> SentenceTable:
    """Read the sentences that a command line gives; blank lines, and rows of a table without a sentence, are left out.

    Files and standard input are UTF-8 in every locale, with or without a byte order mark. A line ends with a newline,
    a carriage return, or both.

    Args:
        given: Sentences given as arguments.
        file: A table by its suffix (`is_table`), or a file with one sentence per line; "-" for standard input. Without
            `file` and `given`, standard input is read.
        text_column: Column of the sentences in a table; None for `text`.
    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If both are given, there is no sentence, a given sentence is blank, something is not UTF-8 text, or
            as `read_sentence_table`.
    """
    if given and file:
        raise ValueError("Give sentences or --file, not both.")
    if file and file != "-" and not Path(file).is_file():
        raise FileNotFoundError(f"There is no file {file} (in {Path.cwd()}); check the path.")
    if file and is_table(file):
        table = read_sentence_table(Path(file), text_column or "text")
    elif text_column is not None:
        raise ValueError(
            f"--text_column {text_column} names a column of a table, but the input is not a file whose name ends with "
            ".tsv, .csv, .jsonl, .json or .parquet."
        )
    elif given:
        blank = [number for number, sentence in enumerate(given, 1) if not sentence.strip()]
        if blank:
            raise ValueError(f"Sentence {blank[0]} is blank; there is nothing to label.")
        table = SentenceTable(list(given))
    elif file and file != "-":
        table = _without_blank(_lines(Path(file).read_bytes(), file))
    else:
        if sys.stdin.isatty() and not file:
            raise ValueError("There is nothing to label: give sentences, --file, or lines on standard input.")
        table = _without_blank(_lines(sys.stdin.buffer.read(), "Standard input"))
    if not table.sentences:
        raise ValueError(
            f"There is nothing to label: {'all lines are blank' if table.num_blank else 'the input is empty'}."
        )
    for number, sentence in enumerate(table.sentences, 1):
        check_is_text(sentence, f"sentence {number}")
    return table


def check_is_text(sentence: str, name: str) -> None:
    """Raise a ValueError if a sentence contains bytes from the command line that are not UTF-8.

    Args:
        sentence: The sentence.
        name: Name of the sentence in the message.
    """
    if any("\ud800" <= character <= "\udfff" for character in sentence):
        raise ValueError(f"Sentences must be UTF-8 text, but {name} has bytes that are not.")


def _without_blank(lines: Sequence[str]) -> SentenceTable:
    blank = [number for number, line in enumerate(lines, 1) if not line.strip()]
    first = f"line {blank[0]}" if blank else ""
    return SentenceTable([line for line in lines if line.strip()], num_blank=len(blank), first_blank=first)


def _lines(content: bytes, name: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}); convert it first, for example with iconv.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []  # `splitlines` would also split at U+2028
