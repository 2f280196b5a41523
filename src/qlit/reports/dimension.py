"""Text and figure of `qlit dimension`."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from qlit.comparisons.dimension import Curve, Findings
from qlit.runtime.figure_style import BLUE, GREY, ORANGE, clean, titled_figure


def dimension_text(curves: Sequence[Curve], findings: Findings, margin: float, *, heading: str, width: int = 80) -> str:
    """A table of the accuracies in per cent, and two sentences on what they say.

    Args:
        curves: As of `accuracies_on_components`.
        findings: As of `findings_of`.
        margin: The margin of the findings, in (0, 1].
        heading: First line.
        width: Columns at which sentences are broken.
    """
    lines = [heading, "", "components  products  features  mean accuracy  95 % interval"]
    for each in curves:
        low, high = each.interval
        number = "all" if each.num_components is None else f"{each.num_components:,}"
        products = "yes" if each.has_products else "no"
        lines.append(
            f"{number:>10}  {products:<8}  {each.num_features:>8,}  {100 * each.mean:>11.2f} %"
            f"  {100 * low:.2f} to {100 * high:.2f}"
        )
    sentences = [enough_text(curves[0], findings, margin), products_text(findings)]
    return "\n".join([*lines, "", *(line for each in sentences for line in textwrap.wrap(each, width))])


def enough_text(whole: Curve, findings: Findings, margin: float) -> str:
    """One sentence on the number of components that the classes need."""
    points = f"{100 * margin:g} points"
    if findings.enough is None or findings.enough_difference is None:
        return (
            f"None of these numbers of components is shown to be within {points} of logistic regression on all "
            f"{whole.num_features:,} features."
        )
    mean, low, high = findings.enough_difference
    verb = "is" if findings.enough == 1 else "are"
    return (
        f"{_components(findings.enough)} {verb} enough: logistic regression there is not worse than on all "
        f"{whole.num_features:,} features by {points} (difference {100 * mean:+.2f}, paired 95 % interval "
        f"{100 * low:+.2f} to {100 * high:+.2f})."
    )


def products_text(findings: Findings) -> str:
    """One sentence that says whether a head with products of features can gain."""
    if findings.gain is None:
        return "Products of components were not tried."
    mean, low, high = findings.gain
    difference = (
        f"{100 * mean:+.2f} points at {_components(findings.gain_at)} against the best without products, at "
        f"{_components(findings.linear_at)}; paired 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
    )
    if not findings.gains:
        return (
            f"Products of components do not raise the best accuracy ({difference}), so there is no sign that a "
            "quadratic head, such as a quantum encoder, can gain here."
        )
    chance = "; with so many numbers, one such interval in 40 is expected by chance" if findings.num_tried > 1 else ""
    return f"Products of components raise the best accuracy ({difference}), so a quadratic head can gain here{chance}."


def _components(number: int | None) -> str:
    if number is None:
        return "all features"
    return "1 component" if number == 1 else f"{number:,} components"


def dimension_figure(curves: Sequence[Curve], *, title: str, note: str = "") -> Figure:
    """Draw the accuracies over the number of components, with 95 % intervals over the splits.

    Args:
        curves: As of `accuracies_on_components`.
        title: Title of the figure.
        note: Text below the title.
    """
    figure = titled_figure(7.2, 4.2, title, note)
    axes = figure.subplots()
    whole, *others = curves
    low, high = (100 * end for end in whole.interval)
    axes.axhspan(low, high, color=GREY, alpha=0.18, linewidth=0)
    axes.axhline(100 * whole.mean, color=GREY, linestyle=":", label=f"all {whole.num_features:,} features")
    for products, colour, marker, line, name in (
        (False, BLUE, "o", "-", "components"),
        (True, ORANGE, "s", "--", "components and their products"),
    ):
        mine = [each for each in others if each.has_products is products]
        if not mine:
            continue
        means = [100 * each.mean for each in mine]
        errors = [
            [mean - 100 * each.interval[0] for mean, each in zip(means, mine, strict=True)],
            [100 * each.interval[1] - mean for mean, each in zip(means, mine, strict=True)],
        ]
        places = [float(each.num_components or 0) for each in mine]
        axes.errorbar(
            places, means, yerr=errors, color=colour, marker=marker, linestyle=line,
            markersize=5, capsize=3, label=name,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sorted({each.num_components for each in others if each.num_components is not None}))
    axes.set_xlabel("principal components")
    axes.set_ylabel("test accuracy, %")
    axes.legend(frameon=False, loc="lower right")
    clean(axes)
    return figure
