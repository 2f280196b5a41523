"""Lines with a checksum: read back as written, and refused after any change of a byte."""

import json

import pytest

from qlit.runtime.checked_line import DamagedLineError, body_of, checked_line

BODY = json.dumps({"kind": "tags", "values": {"a": 'x","crc":"00000000"}'}}).encode()


def test_a_line_is_one_json_object_and_gives_its_body_back():
    line = checked_line(BODY)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert {**json.loads(BODY), "crc": json.loads(line)["crc"]} == json.loads(line)
    assert body_of(line) == body_of(line[:-1]) == BODY


def test_a_line_without_a_checksum_has_no_body():
    assert body_of(BODY + b"\n") is None
    assert body_of(checked_line(BODY)[:-3]) is None
    assert body_of(b"\n") is None


@pytest.mark.parametrize("place", range(len(BODY) - 1))
def test_a_changed_byte_is_noticed(place):
    line = bytearray(checked_line(BODY))
    line[place] ^= 1
    with pytest.raises(DamagedLineError, match="checksum"):
        body_of(bytes(line))
