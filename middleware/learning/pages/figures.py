"""Plots as SVG that stands in a page: its own text colour, any width, nothing from outside."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from middleware.errors import CommandError

# Stands for the page's own text colour, which matplotlib cannot name.
INK = "#0a0b0c"
COLOURS = ("#3b82c4", "#e08a1e", "#8a63c9", "#2a9d8f", "#c94f7c", "#7d8f29", "#b5651d", "#5b6b7a")
_SIZE = (4.6, 3.4)
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
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor"), INK
    ),
}


@contextmanager
def figure(name: str, title: str, size: tuple[float, float] = _SIZE) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Axes to draw on, and what makes SVG of them once the block has ended.

    `name` keeps the figures of one page apart; `size` in inches. Raises CommandError where matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CommandError("matplotlib is not installed; pip install 'es-rerank[train]'") from error
    written = io.StringIO()
    # The salt keeps apart the ids of several figures in one page.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        drawing = Figure(figsize=size, layout="constrained")
        yield drawing.subplots(), lambda: _for_page(written.getvalue(), title)
        drawing.savefig(written, format="svg", metadata={"Date": None})


def _for_page(svg: str, title: str) -> str:
    """The <svg> element alone, as wide as there is room, in the page's colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[A-Za-z0-9.]+_[0-9]+">', "<g>", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).replace(INK, "currentColor")
