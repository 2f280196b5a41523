"""Compare runs: paired statistics, verdicts, published order, table files."""

__all__ = [
    "comparison",
    "dimension",
    "models",
    "paper",
    "pareto",
    "planned_cells",
    "published_order",
    "results",
    "statistics",
    "table_file",
    "verdicts",
]
