"""Results as text, tables and pictures for people."""

__all__ = [
    "comparison_figure",
    "comparison_text",
    "published_table",
    "study_report",
]
