"""Results as text, tables, figures and HTML pages."""

__all__ = [
    "circuit_figure",
    "comparison_figure",
    "comparison_text",
    "diagnosis_figure",
    "dimension",
    "energy_figure",
    "other_drawers",
    "paper",
    "pareto",
    "predictions",
    "published_table",
    "study_json",
    "study_record",
    "study_report",
    "study_text",
]
