"""Read tab-separated values in both dialects: plain, and quoted like CSV.

In a plain file a quote is a character of the sentence (SST-2, GLUE). pandas, Excel and R put quotes around some or all
fields and double the quotes inside. A file does not say which dialect it has. It is recognised by its quotes, because
a writer sets quotes by a rule and the quotes in sentences follow no rule.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

# A field and its end. The quantifiers are possessive, so that a plain file is recognised in one pass.
_DOUBLED = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"(?:\r(?=\n|\Z))?|([^"\t\n]*+))(\t|\n|\Z)')
_ESCAPED = re.compile(r'(?:"([^"]*+(?:(?<=\\)"[^"]*+)*+)"(?:\r(?=\n|\Z))?|([^"\t\n]*+))(\t|\n|\Z)')
_NEEDS_QUOTES = re.compile(r'["\t\n\r]')
_LOOKS_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)++"')


class Record(NamedTuple):
    """One record of a table: one line, or several if a field contains line breaks.

    Args:
        line: Number of its first line, from 1.
        fields: Its fields, without the quotes around them.
        quoted: Indices of the fields that had quotes around them.
    """

    line: int
    fields: Sequence[str]
    quoted: frozenset[int] = frozenset()


def read_tsv(content: str) -> list[Record]:
    """Read all records of a TSV file, including empty lines.

    A file counts as quoted if every quote is around a field or doubled inside such a field, and if the quoted fields
    follow the rule of some writer: all fields with a quote, tab or line break (pandas, csv), or also with a comma
    (Excel), or all fields of some columns (R). Otherwise the file is plain, and every character belongs to a field. A
    file is also plain if its lines are a table and reading it as quoted would join lines without any doubled quote.

    Args:
        content: The decoded file. Lines end with LF or CRLF, or with CR if no other line end occurs.
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
    """Whether a field of a plain file looks quoted by a CSV writer: quotes around it and doubled quotes inside."""
    return field.startswith('"') and _LOOKS_QUOTED.fullmatch(field) is not None


def _parsed(content: str, dialect: re.Pattern[str], escape: str) -> list[Record] | None:
    """Read records in a quoted dialect; None if a quote is neither around a field nor escaped inside it."""
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
    """Whether the quotes belong to speech that starts in one sentence of a plain file and ends in another.

    In this case the plain lines are a table, and reading them as quoted would join lines without any doubled quote.
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
    # R quotes all fields of text columns, and all fields of the header.
    full = [record for record in records if any(record.fields)]
    columns = frozenset.intersection(*(record.quoted for record in full)) if full else frozenset()
    return bool(columns) and all(record.quoted <= columns for record in full[1:])
