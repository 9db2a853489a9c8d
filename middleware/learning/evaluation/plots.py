"""The plots of an evaluation as SVG that stands in a page: its own text colour, any width, nothing from outside."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from middleware.errors import CommandError
from middleware.learning.evaluation.results import BI_ENCODER, Results, System
from middleware.learning.evaluation.significance import TIE

WON, LOST = "#2a9d5c", "#d1495b"

# Stands for the page's own text colour, which matplotlib cannot name.
_INK = "#0a0b0c"
_COLOURS = ("#3b82c4", "#e08a1e", "#8a63c9", "#2a9d8f", "#c94f7c", "#7d8f29", "#b5651d", "#5b6b7a")
_SIZE = (4.6, 3.4)
_DRAWN_APART = 300
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor"), _INK
    ),
}


def plot_gains(results: Results, system: System) -> str:
    """What each query gained or lost against the baseline, sorted; a bar each, or of very many a line."""
    base = results.systems[results.baseline].whole
    gains = np.sort(system.whole.values(results.main_measure) - base.values(results.main_measure))[::-1]
    with _figure(f"{system.name}-gains", f"Gain of {system.name} over {results.baseline} by query") as (axes, finish):
        places = np.arange(len(gains))
        if len(gains) <= _DRAWN_APART:
            axes.bar(places, gains, width=0.9, color=[WON if gain > 0 else LOST for gain in gains])
        else:
            axes.fill_between(places, gains, where=gains >= 0, color=WON, step="mid", linewidth=0)
            axes.fill_between(places, gains, where=gains <= 0, color=LOST, step="mid", linewidth=0)
        axes.axhline(0, color=_INK, linewidth=0.8)
        counts = (int((gains > TIE).sum()), int((np.abs(gains) <= TIE).sum()), int((gains < -TIE).sum()))
        axes.set_xlabel("queries: {} won, {} tied, {} lost".format(*counts))
        axes.set_ylabel(f"{results.main_measure}, {system.name} − {results.baseline}")
        axes.set_xticks([])
    return finish()


def plot_windows(results: Results) -> str | None:
    """The main measure by how many hits are reranked, up to the best order possible; None where one was tried."""
    if len(results.ceiling) < 2:
        return None
    drawn = [results.systems[BI_ENCODER], *results.variants]
    with _figure("windows", f"{results.main_measure} by window") as (axes, finish):
        for system, colour in zip(drawn, _cycle(), strict=False):
            axes.plot(*_points(system.curve), marker="o", markersize=4, color=colour, label=system.name)
        axes.plot(*_points(results.ceiling), linestyle=":", color=_INK, label="best order possible")
        base = results.systems[results.baseline].whole.mean[results.main_measure]
        axes.axhline(base, linestyle="--", linewidth=1, color=_INK, label=results.baseline)
        axes.set_xticks(sorted(results.ceiling))
        axes.set_ylim(top=min(1.02, axes.get_ylim()[1]))
        axes.set_xlabel("window: hits reranked")
        axes.set_ylabel(results.main_measure)
        _legend(axes)
    return finish()


def plot_latency(results: Results) -> str | None:
    """The main measure over what the second stage takes, a point for each window; None where nothing was timed."""
    timed = [system for system in results.variants if any(system.ms.values())]
    if not timed:
        return None
    with _figure("latency", f"{results.main_measure} by latency") as (axes, finish):
        for system, colour in zip(timed, _cycle()[1:], strict=False):
            windows = [window for window, ms in sorted(system.ms.items()) if ms]
            low, middle, high = np.array([np.percentile(system.ms[window], (25, 50, 75)) for window in windows]).T
            values = [system.curve[window] for window in windows]
            spread = [middle - low, high - middle]
            axes.errorbar(middle, values, xerr=spread, marker="o", markersize=4, color=colour, label=system.name)
            for window, ms, value in zip(windows, middle, values, strict=True):
                axes.annotate(str(window), (ms, value), textcoords="offset points", xytext=(4, -10), fontsize=8)
        base = results.systems[results.baseline].whole.mean[results.main_measure]
        axes.axhline(base, linestyle="--", linewidth=1, color=_INK, label=results.baseline)
        axes.set_xlim(left=0)
        axes.set_xlabel("second stage, ms: median and quartiles; numbers are windows")
        axes.set_ylabel(results.main_measure)
        _legend(axes)
    return finish()


@contextmanager
def _figure(name: str, title: str) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Axes to draw on, and what makes SVG of them once the block has ended."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CommandError("matplotlib is not installed; pip install 'es-rerank[train]'") from error
    written = io.StringIO()
    # The salt keeps apart the ids of several figures in one page.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        yield figure.subplots(), lambda: _for_page(written.getvalue(), title)
        figure.savefig(written, format="svg", metadata={"Date": None})


def _for_page(svg: str, title: str) -> str:
    """The <svg> element alone, as wide as there is room, in the page's colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[A-Za-z0-9.]+_[0-9]+">', "<g>", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).replace(_INK, "currentColor")


def _legend(axes: Any) -> None:
    """Below the axes, where no point can be under it."""
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8)


def _points(curve: Mapping[int, float]) -> tuple[list[int], list[float]]:
    windows = sorted(curve)
    return windows, [curve[window] for window in windows]


def _cycle() -> Sequence[str]:
    return _COLOURS * 8
