"""Lines of JSON that end with a checksum of themselves, so that damage is detected."""

import re
import zlib

_CHECKED = re.compile(rb'(.+),"crc":"([0-9a-f]{8})"\}', re.DOTALL)


class DamagedLineError(ValueError):
    """A line was changed after it was written."""


def checked_line(body: bytes) -> bytes:
    """A JSON object with its CRC-32 as last key, and a line end."""
    return b'%s,"crc":"%08x"}\n' % (body[:-1], zlib.crc32(body))


def body_of(line: bytes) -> bytes | None:
    """The JSON object of a `checked_line`; None if the line has no checksum.

    Raises:
        DamagedLineError: If the object does not have this checksum.
    """
    checked = _CHECKED.fullmatch(line.rstrip(b"\n"))
    if checked is None:
        return None
    body = checked[1] + b"}"
    if zlib.crc32(body) != int(checked[2], 16):
        raise DamagedLineError("the checksum is that of another line")
    return body
