"""Read sentences from arguments, a file or standard input."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qlit.data.pairs import paired, sentences_of
from qlit.data.quoting import quoted
from qlit.data.sentence_tables import SentenceTable, is_table, read_sentence_table

_IN_PAIR = 2


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
    named = None if text_column is None else f"--text_column {text_column}"
    return _read([[sentence] for sentence in given], file, [text_column or "text"], named)


def read_pairs(
    given: Sequence[Sequence[str]], file: str | None, text_column: str | None, second_text_column: str | None
) -> SentenceTable:
    """Read the pairs of sentences that a command line gives, as `read_sentences`.

    Args:
        given: Pairs given as arguments, two sentences each.
        file: A table, or a file with one pair per line, its sentences separated by a tab; "-" for standard input.
        text_column: Column of the first sentences in a table; None for `text`.
        second_text_column: Column of the second sentences in a table.
    Raises: as `read_sentences`; and a ValueError if a pair lacks a sentence, or as `pairs_of_lines`.
    """
    named = None if second_text_column is None else f"--second_text_column {second_text_column}"
    return _read(given, file, [text_column or "text", second_text_column or ""], named)


def pairs_of_lines(lines: SentenceTable) -> SentenceTable:
    """The pairs in lines that were read as sentences.

    Raises:
        ValueError: If a line has not two sentences with one tab between them.
    """
    return replace(lines, sentences=[_pair_of(line) for line in lines.sentences])


def _read(
    given: Sequence[Sequence[str]], file: str | None, text_columns: Sequence[str], named: str | None
) -> SentenceTable:
    what, option = ("Sentence", "sentences") if len(text_columns) == 1 else ("Pair", "--pair")
    if given and file:
        raise ValueError(f"Give {option} or --file, not both.")
    if file and file != "-" and not Path(file).is_file():
        raise FileNotFoundError(f"There is no file {file} (in {Path.cwd()}); check the path.")
    if file and is_table(file):
        table = read_sentence_table(Path(file), text_columns)
    elif named is not None:
        raise ValueError(
            f"{named} names a column of a table, but the input is not a file whose name ends with "
            ".tsv, .csv, .jsonl, .json or .parquet."
        )
    elif given:
        table = SentenceTable([_text(texts, f"{what} {number}") for number, texts in enumerate(given, 1)])
    else:
        if sys.stdin.isatty() and not file:
            raise ValueError(f"There is nothing to label: give {option}, --file, or lines on standard input.")
        is_file = file not in (None, "-")
        content = Path(str(file)).read_bytes() if is_file else sys.stdin.buffer.read()
        table = _without_blank(_lines(content, str(file) if is_file else "Standard input"))
        if len(text_columns) == _IN_PAIR:
            table = pairs_of_lines(table)
    if not table.sentences:
        raise ValueError(
            f"There is nothing to label: {'all lines are blank' if table.num_blank else 'the input is empty'}."
        )
    for number, text in enumerate(table.sentences, 1):
        parts = sentences_of(text)
        for sentence in parts if len(parts) == len(text_columns) else [text]:
            check_is_text(sentence, f"{what.lower()} {number}")
    return table


def _text(sentences: Sequence[str], name: str) -> str:
    """A sentence, or a pair of sentences as one text; raises a ValueError if one is blank."""
    if not all(sentence.strip() for sentence in sentences):
        blank = "is blank" if len(sentences) == 1 else "has a blank sentence"
        raise ValueError(f"{name} {blank}; there is nothing to label.")
    return sentences[0] if len(sentences) == 1 else paired(*sentences)


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


def _pair_of(line: str) -> str:
    sentences = line.split("\t")
    if len(sentences) != _IN_PAIR or not all(sentence.strip() for sentence in sentences):
        raise ValueError(
            f"The line {quoted(line)} is no pair: the model takes pairs of sentences, so every line needs two, with "
            "one tab between them."
        )
    return paired(*sentences)


def _lines(content: bytes, name: str) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}); convert it first, for example with iconv.") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []  # `splitlines` would also split at U+2028
