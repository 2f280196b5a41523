"""Read study files."""

__all__ = [
    "study_file",
]
