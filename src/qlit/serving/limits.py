"""Limits of an HTTP server."""

from dataclasses import asdict, dataclass

_BYTES_OF_ENVELOPE = 4096  # of a request beside its sentences
_BYTES_PER_CHAR = 12  # the longest JSON escape, of a character beyond U+FFFF


@dataclass(frozen=True)
class Limits:
    """Limits of a server.

    Args:
        max_sentences: Sentences or pairs of one request, >= 1.
        max_chars: Characters of one sentence, >= 1.
        max_waiting: Sentences or pairs of all requests that may wait, >= 1.
    Raises:
        ValueError: If a limit is less than 1.
    """

    max_sentences: int = 256
    max_chars: int = 10_000
    max_waiting: int = 10_000

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {value}.")

    @property
    def max_bytes(self) -> int:
        """Bytes of one request of sentences, before it is parsed."""
        return _BYTES_OF_ENVELOPE + self.max_sentences * self.max_chars * _BYTES_PER_CHAR
