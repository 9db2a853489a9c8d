"""A classifier's worth for people: lines for the terminal, and a page with its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from middleware.learning.classification.measures import Measured, most_confused
from middleware.learning.classification.train import Trained
from middleware.learning.pages.figures import COLOURS, INK, figure
from middleware.learning.pages.page import document, table

_SHOWN_CLASSES = 30
_SHOWN_MISTAKES = 15


def report_lines(trained: Trained) -> Iterator[str]:
    """What the command prints."""
    measured, least = trained.head, trained.classifier.least_confidence
    yield f"{len(trained.products)} products, {len(measured.classes)} categories"
    if trained.left_out:
        yield "left out: " + ", ".join(f"{count} {why}" for why, count in trained.left_out.most_common())
    yield f"head, cross-validated: {_spell(measured)}"
    if trained.zero_shot is not None and trained.head_there is not None:
        count = len(trained.zero_shot.truth)
        yield f"zero-shot by the cross-encoder, on {count} of them: {_spell(trained.zero_shot)}"
        yield f"the head on the same {count}: {_spell(trained.head_there)}"
    sure = measured.confidence >= least
    if trained.coverage:
        yield (
            f"from a confidence of {least:.2f} on {measured.right[sure].mean():.1%} are right: that is "
            f"{trained.coverage:.0%} of the products; the others are for a person"
        )
    else:
        yield "at no confidence are enough of them right: all are for a person"
    for truth, predicted, count in most_confused(measured, 5):
        yield f"  {count} x {truth!r} taken for {predicted!r}"


def make_page(trained: Trained, source: str) -> str:
    """The whole HTML document."""
    title = f"Categories of {source}"
    lines = list(report_lines(trained))
    mistakes = most_confused(trained.head, _SHOWN_MISTAKES)
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(line)}</p>" for line in lines if not line.startswith(" "))]
    parts += ["<div class=plots>", f"<figure>{_plot_confusion(trained.head)}</figure>"]
    parts += [f"<figure>{_plot_coverage(trained)}</figure>", "</div>"]
    parts += ["<h2>Mistakes</h2>"]
    rows = [[escape(truth), escape(predicted), str(count)] for truth, predicted, count in mistakes]
    parts.append(table(["category", "taken for", "times"], rows))
    parts += ["<h2>All categories</h2>", table(["category", "products", "found", "F1"], _class_rows(trained.head))]
    parts.append(
        "<p>Cross-validated in five folds by families of products (same brand and first words of the title), so that "
        "no product is told by its variation. Macro-F1: the mean of the categories' F1.</p>"
    )
    return document(title, parts)


def _spell(measured: Measured) -> str:
    return f"accuracy {measured.accuracy:.3f}, macro-F1 {measured.macro_f1:.3f}"


def _class_rows(measured: Measured) -> list[list[str]]:
    sizes, found = measured.confusion.sum(axis=1), np.diag(measured.confusion)
    order = np.argsort(-sizes, kind="stable")
    return [[escape(measured.classes[k]), str(sizes[k]), str(found[k]), f"{measured.f1[k]:.3f}"] for k in order]


def _plot_confusion(measured: Measured) -> str:
    """Rows add up to 1; the largest categories alone where there are many."""
    sizes = measured.confusion.sum(axis=1)
    shown = np.argsort(-sizes, kind="stable")[:_SHOWN_CLASSES]
    shares = measured.confusion[np.ix_(shown, shown)] / np.maximum(sizes[shown], 1)[:, None]
    names = [_short(measured.classes[place]) for place in shown]
    side = 2.4 + 0.2 * len(shown)
    what = "all" if len(shown) == len(sizes) else f"the {len(shown)} largest"
    with figure("confusion", "Which category is taken for which", (side, side)) as (axes, finish):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_xlabel("predicted")
        axes.set_ylabel(f"category ({what})")
    return finish()


def _plot_coverage(trained: Trained) -> str:
    measured = trained.head
    order = np.argsort(-measured.confidence, kind="stable")
    shares = np.cumsum(measured.right[order]) / np.arange(1, len(order) + 1)
    with figure("coverage", "Accuracy of the surest products") as (axes, finish):
        axes.plot(np.arange(1, len(order) + 1) / len(order), shares, color=COLOURS[0])
        axes.axvline(trained.coverage, linestyle="--", linewidth=1, color=INK)
        axes.set_xlabel(f"share of the products, surest first; dashed: confidence {_asked_for(trained)}")
        axes.set_ylabel("accuracy among them")
        axes.set_xlim(0, 1)
    return finish()


def _asked_for(trained: Trained) -> str:
    """The confidence that is asked for."""
    return f"{trained.classifier.least_confidence:.2f}"


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
