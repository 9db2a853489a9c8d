"""A study as a picture that needs nothing else: how it went, and what made a difference; SVG, alone or in a page."""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import Any

from middleware.errors import CommandError, ConfigError
from middleware.learning.pages.page import document
from middleware.learning.pages.style import DRAWING_STYLE
from middleware.learning.tuning.result import Result
from middleware.learning.tuning.terminal import best_rows, cells, describe_values, held_out_lines, spell_now

_DONE, _PRUNED, _BEST, _NOW = "#3b82c4", "#a3adb8", "#c9541e", "#2a9d5c"
_MOST_BARS = 15
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "es-rerank", "font.size": 9, "font.family": "sans-serif"}
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}


def write_plot(result: Result, path: Path) -> None:
    """FILE.html, a page with the best trials, or FILE.svg. Raises ConfigError for another, CommandError."""
    check_plot(path)
    drawing = draw(result)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_page(result, drawing) if path.suffix == ".html" else drawing, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--plot: {path}: {error.strerror or error}") from error


def check_plot(path: Path) -> None:
    """Raises ConfigError for a file that is neither .html nor .svg, before an hour of trials."""
    if path.suffix not in (".html", ".svg"):
        raise ConfigError("--plot", str(path), "give FILE.html or FILE.svg")


def draw(result: Result) -> str:
    """The SVG: values by trial with the best so far, and below the importances where there are some."""
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CommandError("matplotlib is not installed; pip install 'es-rerank[train]'") from error
    bars = list(result.importances.items())[:_MOST_BARS]
    with matplotlib.rc_context(_STYLE):
        heights = [3.2, 0.5 + 0.22 * len(bars)] if bars else [3.2]
        figure = Figure(figsize=(7.2, sum(heights) + 0.6), layout="constrained")
        FigureCanvasSVG(figure)
        all_axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        _history(all_axes[0], result)
        if bars:
            _importances(all_axes[1], bars)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing)
    # The document type names an address of its definition; what shows the picture needs neither.
    return re.sub(r"^.*?(?=<svg)", "", text.getvalue(), count=1, flags=re.DOTALL)


def _history(axes: Any, result: Result) -> None:
    done = [row for row in result.trials if row.value is not None]
    pruned = [row for row in result.trials if row.value is None and row.curve]
    best, line = float("-inf"), []
    for row in done:
        best = max(best, row.value or 0.0)
        line.append((row.number, best))
    axes.scatter(
        [row.number for row in pruned],
        [row.curve[max(row.curve)] for row in pruned],
        s=12,
        marker="x",
        color=_PRUNED,
        label="given up early",
    )
    axes.scatter([row.number for row in done], [row.value for row in done], s=14, color=_DONE, label="trials")
    axes.step(*zip(*line, strict=True), where="post", color=_BEST, label="best so far")
    for row in done:
        if row.is_present:
            axes.axhline(row.value, color=_NOW, linestyle="--", linewidth=1, label=spell_now(result))
    axes.set_xlabel("trial")
    axes.set_ylabel(result.measure)
    axes.legend(loc="lower right")
    axes.set_title("What the trials were worth", loc="left")


def _importances(axes: Any, bars: list[tuple[str, float]]) -> None:
    names, shares = zip(*reversed(bars), strict=True)
    axes.barh(names, shares, color=_DONE)
    axes.set_xlabel("share of the variance between trials")
    axes.set_title("What made a difference", loc="left")


def _page(result: Result, drawing: str) -> str:
    title = f"es-rerank tune: {len(result.trials)} trials, {result.measure} {result.best.value:.3f}"
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (*cells(row, result), describe_values(row))) + "</tr>\n"
        for row in best_rows(result)
    )
    head = "".join(f"<th>{name}</th>" for name in ("trial", "value", "hits read", "ms, about", "what it chose"))
    held_out = "\n".join(escape(line) for line in held_out_lines(result))
    parts = (
        f"<h1>{escape(title)}</h1>",
        f"<pre>{held_out}</pre>",
        f"<figure>{drawing}</figure>",
        "<h2>Best trials</h2>",
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>",
    )
    style = DRAWING_STYLE + "td:last-child{white-space:normal;text-align:left;min-width:20rem}"
    return document(title, parts, style)
