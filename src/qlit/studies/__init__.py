"""Studies: designs and searches over config keys, their cells and the effects of their factors."""

__all__ = [
    "cell_results",
    "definition",
    "designs",
    "effects",
    "files",
    "fit_options",
    "screened",
    "trials",
]
