"""Tab-separated values, in the two dialects that exist: plain, and quoted as CSV writers quote.

In a plain file a quote is a character of the sentence (SST-2, GLUE). pandas, Excel and R put quotes around some or all
fields and double the quotes inside. Nothing in a file says which dialect it is, but its quotes do: a writer quotes by a
rule, and quotes of sentences follow none.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

# A field and its end. Quantifiers are possessive: a plain file is recognised in one pass.
_DOUBLED = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"(?:\r(?=\n|\Z))?|([^"\t\n]*+))(\t|\n|\Z)')
_ESCAPED = re.compile(r'(?:"([^"]*+(?:(?<=\\)"[^"]*+)*+)"(?:\r(?=\n|\Z))?|([^"\t\n]*+))(\t|\n|\Z)')
_NEEDS_QUOTES = re.compile(r'["\t\n\r]')
_LOOKS_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)++"')


class Record(NamedTuple):
    """One line of a table, or several if a field holds line breaks.

    Args:
        line: Number of its first line, from 1.
        fields: Its fields, without quotes that only mark their ends.
        quoted: Indices of the fields that had such quotes.
    """

    line: int
    fields: Sequence[str]
    quoted: frozenset[int] = frozenset()


def read_tsv(content: str) -> list[Record]:
    """All records of a TSV file, empty lines included.

    The file is quoted if every quote in it stands around a field or is doubled inside such a field, and if the fields
    in quotes are those that a writer would quote: all that hold a quote, tab or line break (pandas, csv), or a comma
    too (Excel), or all of the same columns (R). Otherwise it is plain, and every character is kept. It is plain also
    if quotes without a doubled one inside would join lines that are a table as they are.

    Args:
        content: The decoded file. Lines end with LF or CRLF; with CR, if no other line end occurs.
    """
    if "\n" not in content.rstrip("\n"):
        content = content.replace("\r", "\n")
    lines = enumerate(content.split("\n"), start=1)
    plain = [Record(line, text.removesuffix("\r").split("\t")) for line, text in lines]
    for dialect, escape in ((_DOUBLED, '""'), (_ESCAPED, '\\"')) if '"' in content else ():
        records = _parsed(content, dialect, escape)
        if records is not None and not _is_speech(records, plain) and _is_written(records, escape):
            return records
    return plain


def looks_quoted(field: str) -> bool:
    """Whether a field of a plain file is in quotes and has doubled quotes inside, as CSV writers write it."""
    return field.startswith('"') and _LOOKS_QUOTED.fullmatch(field) is not None


def _parsed(content: str, dialect: re.Pattern[str], escape: str) -> list[Record] | None:
    """The records in a quoted dialect; None if a quote is anywhere else than around a field or escaped inside it."""
    records: list[Record] = []
    fields: list[str] = []
    quoted: list[int] = []
    at, line, start = 0, 1, 1
    while True:
        found = dialect.match(content, at)
        if found is None:
            return None
        inside, plain, end = found.groups()
        if inside is not None:
            quoted.append(len(fields))
            line += inside.count("\n")
        if inside is None:
            fields.append(plain if end == "\t" else plain.removesuffix("\r"))
        else:
            fields.append(inside.replace(escape, '"'))
        at = found.end()
        if end == "\t":
            continue
        records.append(Record(start, fields, frozenset(quoted)))
        if end == "":
            return records
        line += 1
        start, fields, quoted = line, [], []


def _is_speech(records: list[Record], plain: list[Record]) -> bool:
    """Whether quotes are of speech that begins in one sentence of a plain file and ends in another.

    The plain lines are a table then, which quotes without a doubled one inside would join to other records.
    """
    if any('"' in record.fields[k] for record in records for k in record.quoted):
        return False
    is_table = len({len(record.fields) for record in plain if any(record.fields)}) == 1
    return is_table and [len(record.fields) for record in records] != [len(record.fields) for record in plain]


def _is_written(records: list[Record], escape: str) -> bool:
    """Whether some writer's rule explains which fields are in quotes."""
    quoted = [record.fields[k] for record in records for k in record.quoted]
    if escape == '""':
        if any(quoted) and all(_NEEDS_QUOTES.search(field) or not field for field in quoted):
            return True  # pandas, csv
        plain = (field for r in records for k, field in enumerate(r.fields) if k not in r.quoted)
        has_reason = all(_NEEDS_QUOTES.search(field) or "," in field for field in quoted)
        if len(quoted) > 1 and has_reason and not any("," in field for field in plain):
            return True  # Excel
    # All fields of some columns, the head's included; the head may have more in quotes, as all of its fields are text.
    full = [record for record in records if any(record.fields)]
    columns = frozenset.intersection(*(record.quoted for record in full)) if full else frozenset()
    return bool(columns) and all(record.quoted <= columns for record in full[1:])
