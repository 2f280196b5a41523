"""The figures and tables of the paper with our results: text, CSV, pictures and one page."""

__all__ = [
    "files",
    "terminal",
]
