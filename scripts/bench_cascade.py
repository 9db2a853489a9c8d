#!/usr/bin/env python3
"""Quality against cost of the cascade: how deep the cross-encoder reads a window, and when it stops; a table, a curve.

    scripts/bench_cascade.py                       # some 10 minutes with its teaching, 5 after that; prints Markdown
    scripts/bench_cascade.py --precision fast --svg curve.svg
    scripts/bench_cascade.py --elasticsearch 9200  # a node that runs already; gets indices of ours for the time

Judged queries of the demo (held out of its training) and of Chorus, with the demo's cross-encoder, on windows of a real
node. Quality is nDCG@10 as a share of that with the whole window read, beside a bootstrap interval of it. Cost is the
second stage's own time with nothing remembered but the documents' tokens, every way in turn for each query.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine import CHORUS  # noqa: E402
from bench_estimator import place_estimator  # noqa: E402
from bench_proxy import machine  # noqa: E402
from bench_search_stand import (  # noqa: E402
    MAX_TOKENS,
    Catalogue,
    calibrated_model,
    demo_catalogue,
    filled,
    find_catalogue,
    node,
)

from middleware.catalog.client import connect  # noqa: E402
from middleware.config import Settings  # noqa: E402
from middleware.config.cascade import CascadeSettings  # noqa: E402
from middleware.learning.cascade.make import start_engine  # noqa: E402
from middleware.learning.evaluation.rankings import Comparison, Qrels, Run, compare  # noqa: E402
from middleware.learning.shop import PLACEHOLDER, Shop  # noqa: E402
from middleware.ranking import Scored, make_ranking  # noqa: E402
from middleware.rerank.engine import Engine  # noqa: E402
from middleware.rerank.score_memory import ScoreMemory  # noqa: E402
from middleware.search.hits import SearchResponse  # noqa: E402
from middleware.search.plan import Plan  # noqa: E402
from middleware.second_stage import Reader, SecondStage  # noqa: E402

DEPTHS = (10, 15, 20, 25, 30, 40, 60)
CERTAINTIES = (0.5, 0.7, 0.9, 1.0)
LAST_DEPTH = 60
WINDOWS = (20, 30, 50)
BUDGET_MS = 60_000
MEMORY_BYTES = 1 << 28


@dataclass(frozen=True)
class Way:
    """One way to read a window, or a smaller one; the first is the whole of it, which the others are compared with."""

    name: str
    cascade: CascadeSettings
    window: int | None = None


WAYS = (
    Way("all of the window", CascadeSettings(enabled=False)),
    *(Way(f"depth {depth}", CascadeSettings(depth=depth, early_stop=False)) for depth in DEPTHS),
    *(Way(f"stop at certainty {each}", CascadeSettings(depth=LAST_DEPTH, certainty=each)) for each in CERTAINTIES),
    Way("the defaults", CascadeSettings()),
    *(Way(f"no estimates, window {window}", CascadeSettings(enabled=False), window) for window in WINDOWS),
)


@dataclass(frozen=True)
class Judged:
    """A catalogue with graded queries, by their text, and others for the estimator to learn from."""

    catalogue: Catalogue
    qrels: Qrels
    others: Sequence[str]


@dataclass(frozen=True)
class Found:
    """The first stage of one query."""

    query: str
    plan: Plan
    response: SearchResponse


@dataclass
class Measured:
    """What was seen of one way: its run, the hits read and the milliseconds of each search."""

    run: dict[str, Sequence[str]] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(machine())
    curves = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-cascade-")))
        model = calibrated_model(options.model, scratch)
        port = stack.enter_context(node(options.elasticsearch))
        for judged in judged_catalogues(options.data, scratch):
            with filled(port, judged.catalogue, scratch):
                measured = measure(judged, model, port, options)
            curves[judged.catalogue.name] = tabulate(judged, measured, options)
    if options.svg:
        draw(curves, options.svg)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=("exact", "balanced", "fast"), default="exact")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--timed", type=int, default=30, help="queries of each catalogue whose cost is measured")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the curves, too")
    parser.add_argument("--data", type=Path, default=CHORUS, help="folder of the Chorus catalogue and judgments")
    parser.add_argument("--model", type=Path, help="a trained cross-encoder; default: the demo's, where it is trained")
    parser.add_argument("--elasticsearch", type=int, metavar="PORT", help="a real node on this machine")
    return parser.parse_args()


def judged_catalogues(data: Path, scratch: Path) -> Iterator[Judged]:
    from middleware.catalog.demo import generate

    catalog = generate()
    held_out = {query.query_id: query.text for query in catalog.queries if query.split == "held_out"}
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for judgment in catalog.qrels:
        if judgment.query_id in held_out:
            grades[held_out[judgment.query_id]][judgment.product_id] = judgment.grade
    others = [query.text for query in catalog.queries if query.split != "held_out"]
    yield Judged(replace(demo_catalogue(scratch), index="bench-cascade-demo"), dict(grades), others)
    if not (data / "judgments_dev.csv").is_file():
        print(f"({data} is not there: the demo's queries only)\n")
        return
    chorus: dict[str, dict[str, int]] = defaultdict(dict)
    with (data / "judgments_dev.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            chorus[row["query"]][row["doc_id"]] = int(row["rating"])
    catalogue = replace(find_catalogue(data, scratch), index="bench-cascade-chorus")
    others = [query for query, _ in catalogue.queries.most_common() if query.lower() not in chorus]
    yield Judged(catalogue, dict(chorus), others)


def measure(judged: Judged, folder: Path, port: int, options: argparse.Namespace) -> Mapping[str, Measured]:
    """Every query in every way: once where nothing but quality counts, and some again where time does."""
    catalogue = judged.catalogue
    settings = Settings.model_validate(
        {
            "models": {
                "default": {
                    "source": str(folder),
                    "max_tokens": MAX_TOKENS,
                    "device": "cpu",
                    "precision": options.precision,
                }
            },
            "variants": {"default": {"window": options.window}},
            "indices": {catalogue.index: {"template": catalogue.template}},
            "rankings": {"ttl_s": 0},
        }
    )
    form = catalogue.body(PLACEHOLDER, 10).decode()
    shop = Shop(connect(f"http://127.0.0.1:{port}"), settings, catalogue.index, form, options.window)
    place_estimator(folder, shop, settings.models["default"], judged.others)
    found = [Found(query, *shop.search(query)) for query in judged.qrels]
    measured = {way.name: Measured() for way in WAYS}
    with ExitStack() as stack:
        remembering = SecondStage(settings, {"default": started(stack, settings, ScoreMemory(MEMORY_BYTES))})
        for each in found:
            for way in WAYS:
                note(measured[way.name], each, search(remembering, each, way))
        forgetful = SecondStage(settings, {"default": started(stack, settings, None)})
        full = [each for each in found if len(each.response.hits) == options.window][: options.timed]
        for turn, each in enumerate(full):
            for step in range(len(WAYS)):
                way = WAYS[(turn + step) % len(WAYS)]
                before = time.perf_counter()
                search(forgetful, each, way)
                measured[way.name].ms.append((time.perf_counter() - before) * 1000)
    return measured


def started(stack: ExitStack, settings: Settings, memory: ScoreMemory | None) -> Engine:
    engine = start_engine(settings.models["default"], memory)
    stack.callback(engine.stop)
    return engine


def search(stage: SecondStage, found: Found, way: Way) -> Any:
    variant = found.plan.variant
    variant = replace(variant, cascade=way.cascade, window=way.window or variant.window)
    plan = replace(found.plan, variant=variant)
    (outcome,) = stage.rerank([(plan, found.response)], Reader(), BUDGET_MS)
    return outcome


def note(measured: Measured, found: Found, outcome: Any) -> None:
    if not isinstance(outcome, Scored):  # nothing found
        measured.run[found.query] = []
        return
    ranking = make_ranking(found.plan, found.response, outcome)
    measured.run[found.query] = [str(found.response.hits[place].decoded("_id")) for place in ranking.positions]
    measured.read.append(outcome.read)


def tabulate(
    judged: Judged, measured: Mapping[str, Measured], options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Prints the table of one catalogue; returns its curve: milliseconds and share of the quality."""
    whole = measured[WAYS[0].name]
    print(
        f"\n{judged.catalogue.name} catalogue, {len(judged.qrels)} judged queries, window {options.window}, "
        f"precision {options.precision}\n"
    )
    print("| read | hits read | second stage, ms (quartiles) | times | nDCG@10 | of the whole window's (95 %) |")
    print("|---|---|---|---|---|---|")
    curve = []
    for way in WAYS:
        each = measured[way.name]
        share, shown = share_of_quality(whole.run, each.run, judged.qrels)
        low, median, high = np.percentile(each.ms, (25, 50, 75))
        times = np.median(np.array(whole.ms) / np.array(each.ms))
        cost = f"{np.mean(each.read):.1f} | {median:.1f} ({low:.1f} to {high:.1f}) | {times:.1f}"
        print(f"| {way.name} | {cost} | {shown} |")
        curve.append((float(median), share))
    return curve


def share_of_quality(whole: Run, run: Run, qrels: Qrels) -> tuple[float, str]:
    difference: Comparison = compare(whole, run, qrels)
    base, after = (each.mean["nDCG@10"] for each in (difference.before, difference.after))
    low, high = (100 + 100 * bound / base for bound in difference.interval)
    return after / base, f"{after:.4f} | {100 * after / base:.1f} % ({low:.1f} to {high:.1f})"


def draw(curves: Mapping[str, Sequence[tuple[float, float]]], file: Path) -> None:
    """Quality over cost: a line for the depths, a point for each stop and each smaller window."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, points in curves.items():
        whole, depths, others = points[0], points[1 : len(DEPTHS) + 1], points[len(DEPTHS) + 1 :]
        ms, shares = zip(*sorted([*depths, whole]), strict=True)
        (line,) = axes.plot(ms, [100 * share for share in shares], marker="o", label=f"{name}: by depth")
        for label, marker, some in (("stops", "x", others[: -len(WINDOWS)]), ("windows", "v", others[-len(WINDOWS) :])):
            ms, shares = zip(*some, strict=True)
            axes.scatter(ms, [100 * share for share in shares], marker=marker, color=line.get_color(), label=label)
    axes.set_xlabel("second stage, ms (median)")
    axes.set_ylabel("nDCG@10, % of the whole window's")
    axes.axhline(99, linestyle=":", color="grey")
    axes.legend()
    figure.savefig(file, bbox_inches="tight")
    print(f"\n{file}")


if __name__ == "__main__":
    main()
