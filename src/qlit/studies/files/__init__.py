"""A study file, read into a `Study`."""

__all__ = [
    "study_file",
]
