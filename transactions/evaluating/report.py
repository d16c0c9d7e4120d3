"""An evaluation as one HTML file that needs nothing else: tables, and plots as inline SVG."""

import io
import math
import re
from itertools import cycle
from typing import Any

from django.template.loader import render_to_string

from transactions.evaluating import table
from transactions.evaluating.measure import MEAN, RULE, Evaluation

# Colours of middle lightness, readable on white and on black: of the rules, and of the models in their order.
COLOURS = {MEAN: "#d9772b", RULE: "#c2409a"}
OF_MODELS = ("#2f7fd0", "#2e9d6b", "#8a6fd1", "#a88a1e", "#4f9aa8", "#c05a5a")
# Stands for the colour of the page's text until the SVG is in the page.
INK = "#010203"
SIZE_INCHES = (5.6, 4.0)


def html(found: Evaluation) -> str:
    """The whole page. Loads matplotlib, which takes a second."""
    return render_to_string(
        "evaluating/report.html",
        {
            "found": found,
            "heading": table.heading(found),
            "titles": table.titles(found),
            "kinds": [(table.kind_title(found, kind), _cells(kind.scorers)) for kind in found.kinds],
            "notes": list(table.notes(found)),
            "curves": _recall_precision(found),
            "calibration": _calibration(found),
        },
    )


def _cells(scorers: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return [
        (name, [table.cell(measures.get(measure)) for measure in table.MEASURES]) for name, measures in scorers.items()
    ]


def _recall_precision(found: Evaluation) -> str:
    figure, axes = _axes("recall: share of the frauds found", "precision: share of frauds among these")
    colours = _colours(found)
    for name, (recall, precision) in found.curves.recall_precision.items():
        axes.step(recall, precision, where="pre", color=colours[name], label=name)
    for name, measures in found.kinds[0].scorers.items():
        at = measures["recall"].value, measures["precision"].value
        if not math.isnan(sum(at)):
            # The rule has no curve that names its colour.
            axes.plot(*at, "o", clip_on=False, color=colours[name], label=name if name == RULE else None)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, labelcolor=INK)
    return _svg(figure, "Precision by recall")


def _calibration(found: Evaluation) -> str:
    figure, axes = _axes("score", "share of transactions at or above it")
    points = found.curves.points
    axes.plot(points, 10 ** (-points / 20), "--", color=INK, linewidth=1, label="promised")
    for name, by_traffic in found.curves.shares.items():
        for (traffic, shares), style in zip(by_traffic.items(), ("-", ":"), strict=True):
            seen = shares > 0
            axes.step(points[seen], shares[seen], style, where="post", color=_colours(found)[name],
                      label=f"{name}, {traffic} transactions")  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, labelcolor=INK)
    return _svg(figure, "Share of transactions by score")


def _colours(found: Evaluation) -> dict[str, str]:
    return {**dict(zip(found.curves.shares, cycle(OF_MODELS), strict=False)), **COLOURS}


def _axes(x: str, y: str) -> tuple[Any, Any]:
    """A figure without pyplot, which would keep it, and look for a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(which="both", colors=INK)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    axes.patch.set_visible(False)
    return figure, axes


def _svg(figure: Any, title: str) -> str:
    """The figure as an element for a page: text stays text, and takes the page's colour."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    drawn = io.StringIO()
    # The ids within are hashed: of the title, so that two figures in a page do not share any.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "svg.id": re.sub(r"\W", "-", title)}):
        FigureCanvasSVG(figure)
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    text = drawn.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    label = f'<svg role="img" aria-label="{title}"'
    return text.replace("<svg", label, 1).replace(INK, "currentColor")
