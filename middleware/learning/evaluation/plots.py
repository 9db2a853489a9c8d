"""The plots of an evaluation as SVG that stands in a page: its own text colour, any width, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from middleware.learning.evaluation.results import BI_ENCODER, Results, System
from middleware.learning.evaluation.significance import TIE
from middleware.learning.pages.figures import COLOURS, INK, figure

WON, LOST = "#2a9d5c", "#d1495b"

_DRAWN_APART = 300


def plot_gains(results: Results, system: System) -> str:
    """What each query gained or lost against the baseline, sorted; a bar each, or of very many a line."""
    base = results.systems[results.baseline].whole
    gains = np.sort(system.whole.values(results.main_measure) - base.values(results.main_measure))[::-1]
    with figure(f"{system.name}-gains", f"Gain of {system.name} over {results.baseline} by query") as (axes, finish):
        places = np.arange(len(gains))
        if len(gains) <= _DRAWN_APART:
            axes.bar(places, gains, width=0.9, color=[WON if gain > 0 else LOST for gain in gains])
        else:
            axes.fill_between(places, gains, where=gains >= 0, color=WON, step="mid", linewidth=0)
            axes.fill_between(places, gains, where=gains <= 0, color=LOST, step="mid", linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.8)
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
    with figure("windows", f"{results.main_measure} by window") as (axes, finish):
        for system, colour in zip(drawn, _cycle(), strict=False):
            axes.plot(*_points(system.curve), marker="o", markersize=4, color=colour, label=system.name)
        axes.plot(*_points(results.ceiling), linestyle=":", color=INK, label="best order possible")
        base = results.systems[results.baseline].whole.mean[results.main_measure]
        axes.axhline(base, linestyle="--", linewidth=1, color=INK, label=results.baseline)
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
    with figure("latency", f"{results.main_measure} by latency") as (axes, finish):
        for system, colour in zip(timed, _cycle()[1:], strict=False):
            windows = [window for window, ms in sorted(system.ms.items()) if ms]
            low, middle, high = np.array([np.percentile(system.ms[window], (25, 50, 75)) for window in windows]).T
            values = [system.curve[window] for window in windows]
            spread = [middle - low, high - middle]
            axes.errorbar(middle, values, xerr=spread, marker="o", markersize=4, color=colour, label=system.name)
            for window, ms, value in zip(windows, middle, values, strict=True):
                axes.annotate(str(window), (ms, value), textcoords="offset points", xytext=(4, -10), fontsize=8)
        base = results.systems[results.baseline].whole.mean[results.main_measure]
        axes.axhline(base, linestyle="--", linewidth=1, color=INK, label=results.baseline)
        axes.set_xlim(left=0)
        axes.set_xlabel("second stage, ms: median and quartiles; numbers are windows")
        axes.set_ylabel(results.main_measure)
        _legend(axes)
    return finish()


def _legend(axes: Any) -> None:
    """Below the axes, where no point can be under it."""
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8)


def _points(curve: Mapping[int, float]) -> tuple[list[int], list[float]]:
    windows = sorted(curve)
    return windows, [curve[window] for window in windows]


def _cycle() -> Sequence[str]:
    return COLOURS * 8
