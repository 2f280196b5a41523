"""TSV files: quotes of CSV writers come off, quotes of sentences stay, and a notice says which."""

import csv
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qlit.data import load_texts
from qlit.data.tsv import read_tsv

ROWS = [
    ("a plain one", 0),
    ('he said "no"', 1),
    ('"all of it"', 0),
    ("a tab\there", 1),
    ("two\nlines", 0),
    ("three\r\nlines\n", 1),
    ("a comma, too", 0),
    ('"', 1),
    ('it ends with "', 0),
    ("it's", 1),
]


@pytest.mark.parametrize(
    ("options", "num_quoted"),
    [
        ({}, 7),
        ({"header": False}, 7),
        ({"quoting": csv.QUOTE_ALL}, 10),
        ({"quoting": csv.QUOTE_NONNUMERIC}, 10),
        ({"quoting": csv.QUOTE_NONNUMERIC, "header": False}, 10),
        ({"quoting": csv.QUOTE_ALL, "doublequote": False, "escapechar": "\\"}, 10),  # as R's write.table
        ({"columns": ["label", "text"]}, 7),
    ],
    ids=str,
)
def test_what_pandas_writes_is_read_back(tmp_path: Path, options: dict[str, Any], num_quoted: int) -> None:
    path = tmp_path / "x.tsv"
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(path, sep="\t", index=False, **options)
    data = load_texts(str(path))
    assert data.texts == tuple(text for text, _ in ROWS)
    assert data.labels == tuple(label for _, label in ROWS)
    (notice,) = data.notices
    assert notice.key == "quotes"
    assert notice.text.endswith(f"were removed in {num_quoted} of 10 rows of x.tsv.")


def test_windows_line_ends_around_quotes(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    rows = [row for row in ROWS if "\r" not in row[0]]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, sep="\t", index=False, lineterminator="\r\n")
    data = load_texts(str(path))
    assert (data.texts, data.labels) == tuple(zip(*rows, strict=True))


def test_what_excel_writes_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text('text\tlabel\n"well, good"\t1\nbad\t0\n"so, so"\t1\n')
    assert load_texts(str(tmp_path / "x.tsv")).texts == ("well, good", "bad", "so, so")


@pytest.mark.parametrize(
    "texts",
    [
        ['he said "no"', "plain"],  # within a sentence
        ['"all of it"', "plain"],  # around a sentence that no writer would quote
        ['"all of it, yes"', "plain, too"],  # Excel would quote both
        ['"He left.', "Then", 'she left too."'],  # speech over several sentences
        ['he said "never again', '"'],
        ['" so - so "', '""', "x"],
        ['"', '"'],
    ],
    ids=str,
)
@pytest.mark.parametrize("head", ["text\tlabel\n", ""], ids=["header", "no header"])
def test_quotes_of_sentences_stay(tmp_path: Path, texts: list[str], head: str) -> None:
    path = tmp_path / "x.tsv"
    texts = [*texts, "plain, again", "plain at last"]
    path.write_text(head + "".join(f"{text}\t{k % 2}\n" for k, text in enumerate(texts)))
    data = load_texts(str(path))
    assert data.texts == tuple(texts)
    assert data.notices == ()


def test_random_tables_are_read_back() -> None:
    rng = random.Random(0)
    for _ in range(300):
        alphabet = rng.choice(["ab\"\t\n, '", 'ab" ', "ab\t", 'ab"\r\n'])
        texts = ["".join(rng.choices(alphabet, k=rng.randint(1, 8))) for _ in range(rng.randint(2, 20))]
        frame = pd.DataFrame({"text": texts, "label": [k % 2 for k in range(len(texts))]})
        written = frame.to_csv(sep="\t", index=False)
        if '"' in written:  # pandas found something to quote
            assert [record.fields[0] for record in read_tsv(written) if any(record.fields)][1:] == texts


def test_line_numbers_count_lines_within_quotes() -> None:
    records = read_tsv('text\tlabel\n"a ""b""\nc"\t1\nd\t0\n')
    assert [record.line for record in records] == [1, 2, 4, 5]


def test_a_file_that_is_quoted_in_part_is_left_as_it_is_with_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text('text\tlabel\n"he said ""no"""\t1\nhe said "yes"\t0\n')
    data = load_texts(str(path))
    assert data.texts == ('"he said ""no"""', 'he said "yes"')
    assert data.notices[0].key == "doubtful_quotes"
    assert "Quotes in 1 row of x.tsv look like those of CSV writers" in data.notices[0].text


def test_lone_carriage_returns_end_lines_where_nothing_else_does(tmp_path: Path) -> None:
    for name, content in (("x.tsv", "text\tlabel\ra\t1\rb\t0\r"), ("x.csv", "text,label\ra,1\rb,0\r")):
        (tmp_path / name).write_bytes(content.encode())
        data = load_texts(str(tmp_path / name))
        assert (data.texts, data.labels) == (("a", "b"), (1, 0))
    (tmp_path / "x.tsv").write_bytes(b"text\tlabel\na\rb\t1\nc\t0\n")
    assert load_texts(str(tmp_path / "x.tsv")).texts == ("a\rb", "c")
