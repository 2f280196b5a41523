"""One self-contained page with the paper's figures and tables: nothing is loaded from elsewhere.

Every figure is in the page as SVG, which is printed and needs no JavaScript. With plotly installed (extra `report`),
the page also holds plotly.js, and shows interactive figures on a screen in place of the pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.util import find_spec

from qlit.comparisons.planned_cells import PartResult
from qlit.reports.paper.interactive import figure_of
from qlit.reports.paper.page_parts import part_html, summary_html, to_run_html
from qlit.reports.paper.page_style import SCRIPT, STYLE

# Colours of a picture by the colours of the style sheet, which differ in light and dark.
_COLOURS = {
    "#000000": "currentColor", "#222222": "currentColor", "#666666": "var(--muted)", "#b0b0b0": "var(--grid)",
    "#0072b2": "var(--s0)", "#d55e00": "var(--s1)", "#009e73": "var(--s2)", "#cc79a7": "var(--s3)",
}  # fmt: skip


def page_of(
    results: Sequence[PartResult], svg_of: Callable[[PartResult], str], facts: Mapping[str, str], basis: str
) -> str:
    """The page as HTML.

    Args:
        results: The parts.
        svg_of: Function that gives the picture of a part as SVG, with letters in a font.
        facts: What the page says about itself, by name: store, version, time.
        basis: How times were estimated.
    """
    plotly = _plotly_js()
    body = [
        "<h1>The paper's figures and tables, with our results</h1>",
        "<p>Published: <i>Quantum Large Language Model Fine-Tuning</i>, arXiv:2504.08732, on SetFit/sst2 with "
        "paraphrase-mpnet-base-v2. Another body gives other accuracies, so compare values of one body. Intervals are "
        "95 %: Student's over runs, cut at 0 and 100 %, or Wilson's over the test sentences of a single run. Ours are "
        "test accuracies of the epoch with the best validation accuracy.</p>",
        _facts(facts),
        summary_html(results),
        to_run_html(results, basis),
        *(part_html(each, themed(svg_of(each)), None if plotly is None else figure_of(each)) for each in results),
    ]
    scripts = "" if plotly is None else f"<script>{plotly}</script><script>{SCRIPT}</script>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>qlit report</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(body)}</main>{scripts}</body></html>\n"
    )


def themed(svg: str) -> str:
    """An SVG file as a part of a page, in the colours of the page's style sheet."""
    svg = svg[svg.index("<svg") :]
    for colour, name in _COLOURS.items():
        svg = svg.replace(colour, name)
    return svg


def _facts(facts: Mapping[str, str]) -> str:
    return "<p class=facts>" + "; ".join(f"{escape(name)}: {escape(value)}" for name, value in facts.items()) + "</p>"


def _plotly_js() -> str | None:
    """The text of plotly.js; None if plotly is not installed."""
    if find_spec("plotly") is None:
        return None
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
