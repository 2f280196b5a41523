"""Many runs looked at together: statistics and fair comparisons."""

__all__ = [
    "cell_results",
    "definition",
    "designs",
    "effects",
    "files",
    "screened",
    "trials",
]
