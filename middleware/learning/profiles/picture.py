"""Clusters of users as a page that needs nothing else: where they lie, what they like, and how k was chosen."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.errors import CommandError, ConfigError
from middleware.learning.pages.figures import COLOURS
from middleware.learning.pages.page import document
from middleware.learning.pages.style import DRAWING_STYLE
from middleware.learning.profiles.kmeans import Matrix, unit_rows
from middleware.personalization.documents import EVERYBODY, ClusterStatistics

_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "es-rerank", "font.size": 9, "font.family": "sans-serif"}
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
_LARGEST_POINT, _LEAST_POINT, _TOP_NAMES = 2_400.0, 120.0, 3
SUFFIXES = (".html", ".svg", ".png")


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: statistics of clusters and of everybody, some users' vectors, (n, d), with their clusters' names.

    `silhouettes`: each k that was tried, and its mean silhouette.
    """

    statistics: Sequence[ClusterStatistics]
    vectors: Matrix
    names: Sequence[str]
    silhouettes: Mapping[int, float]

    @property
    def clusters(self) -> list[ClusterStatistics]:
        """Those with a centroid, by number."""
        found = [each for each in self.statistics if each.name != EVERYBODY and each.vector is not None]
        return sorted(found, key=lambda each: int(each.name))


def check_picture(path: Path) -> None:
    """Raises ConfigError for a file that is neither of SUFFIXES, before the work."""
    if path.suffix not in SUFFIXES:
        raise ConfigError("--picture", str(path), "give FILE.html, FILE.svg or FILE.png")


def write_picture(picture: Picture, path: Path) -> None:
    """A page with a table, or the drawing alone. Raises ConfigError for another kind of file, CommandError."""
    check_picture(path)
    drawing = draw(picture, "png" if path.suffix == ".png" else "svg")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_page(picture, drawing.decode()).encode() if path.suffix == ".html" else drawing)
    except OSError as error:
        raise CommandError(f"--picture: {path}: {error.strerror or error}") from error


def principal_axes(vectors: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, (d,), and the two directions, (2, d), along which the rows vary most (PCA, by their covariance).

    Signs are such that a direction's greatest component is positive: equal rows give equal pictures.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    two = axes[:, :-3:-1].T
    if len(two) < 2:
        two = np.vstack([two, np.zeros_like(two)])
    greatest = np.abs(two).argmax(axis=1)
    signs = np.where(two[np.arange(2), greatest] < 0, -1.0, 1.0)
    return mean, two * signs[:, None]


def label(statistics: ClusterStatistics) -> str:
    """A cluster's number and what it likes most."""
    likes = [*_top(statistics.category_affinity, 1), *_top(statistics.brand_affinity, 1)]
    return f"{statistics.name}: {', '.join(likes)}" if likes else statistics.name


def draw(picture: Picture, form: str) -> bytes:
    """The drawing as `svg` or `png`. Raises CommandError where there is no cluster, or no matplotlib."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CommandError("matplotlib is not installed; pip install 'es-rerank[train]'") from error
    if not picture.clusters:
        raise CommandError("there are no clusters to draw: too few users, or products without vectors")
    written = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        heights = [5.0, 2.2] if picture.silhouettes else [5.0]
        figure = Figure(figsize=(8.6, sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        _draw_map(axes[0], picture)
        if picture.silhouettes:
            _draw_silhouettes(axes[1], picture)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type")) if form == "svg" else {"Software": None}
        figure.savefig(written, format=form, metadata=nothing, dpi=150)
    if form == "png":
        return written.getvalue()
    # The document type names an address of its definition; what shows the picture needs neither.
    return re.sub(rb"^.*?(?=<svg)", b"", written.getvalue(), count=1, flags=re.DOTALL)


def _draw_map(axes: Any, picture: Picture) -> None:
    centroids = unit_rows(np.stack([each.vector for each in picture.clusters if each.vector is not None]))
    users = unit_rows(picture.vectors) if len(picture.vectors) else centroids
    mean, two = principal_axes(users)
    colours = {each.name: COLOURS[row % len(COLOURS)] for row, each in enumerate(picture.clusters)}
    points, names = (users - mean) @ two.T, np.array(picture.names)
    if len(names):
        axes.scatter(*points.T, s=5, alpha=0.35, linewidths=0, c=[colours.get(name, "#999") for name in names])
    most = max(each.users for each in picture.clusters)
    for each, centroid in zip(picture.clusters, centroids, strict=True):
        own = points[names == each.name] if len(names) else points[:0]
        place = own.mean(axis=0) if len(own) else (centroid - mean) @ two.T
        size = max(_LEAST_POINT, _LARGEST_POINT * each.users / most)
        about = f"{label(each)}, {each.users:,} users"
        axes.scatter(*place, s=size, color=colours[each.name], alpha=0.5, edgecolors="white", label=about)
        axes.annotate(each.name, place, ha="center", va="center", fontsize=9, fontweight="bold")
    legend = axes.figure.legend(loc="outside right upper", fontsize=8, title="users like")
    for handle in legend.legend_handles:
        handle.set_sizes([60])
    axes.set_title("Clusters of users: areas by number of users, points are some of them", fontsize=10)
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second")
    axes.margins(0.12)


def _draw_silhouettes(axes: Any, picture: Picture) -> None:
    tried = sorted(picture.silhouettes)
    best = max(tried, key=lambda k: picture.silhouettes[k])
    axes.plot(tried, [picture.silhouettes[k] for k in tried], marker="o", markersize=4, color=COLOURS[0])
    axes.plot([best], [picture.silhouettes[best]], marker="o", markersize=8, color="#c9541e")
    axes.annotate(f"k = {best}", (best, picture.silhouettes[best]), textcoords="offset points", xytext=(6, 4))
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel("mean silhouette")
    axes.margins(y=0.2)


def _page(picture: Picture, drawing: str) -> str:
    title = f"{len(picture.clusters)} clusters of users"
    head = "".join(f"<th>{name}</th>" for name in ("cluster", "users", "categories", "brands", "most popular"))
    everybody = [each for each in picture.statistics if each.name == EVERYBODY]
    rows = "".join(_row(each) for each in [*picture.clusters, *everybody])
    parts = (
        f"<h1>{escape(title)}</h1>",
        f"<figure>{drawing}</figure>",
        "<h2>What they like</h2>",
        "<p>Shares of the average user's behaviour; products by their ids.</p>",
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>",
    )
    return document(title, parts, DRAWING_STYLE + "td{white-space:normal}td:nth-child(n+3){text-align:left}")


def _row(each: ClusterStatistics) -> str:
    maps = (each.category_affinity, each.brand_affinity, each.popularity)
    likes = [", ".join(f"{name} {shares[name]:.0%}" for name in _top(shares, _TOP_NAMES)) for shares in maps]
    cells = [each.name, f"{each.users:,}", *likes]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _top(shares: Mapping[str, float], most: int) -> list[str]:
    return sorted(shares, key=lambda name: (-shares[name], name))[:most]
