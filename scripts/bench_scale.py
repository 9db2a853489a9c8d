#!/usr/bin/env python3
"""What the second stage costs against window, document length, concurrency and index size, one at a time.

    scripts/bench_scale.py                           # some 6 minutes; prints Markdown
    scripts/bench_scale.py --only window,length --seconds 20
    scripts/bench_scale.py --elasticsearch 9200      # a node that runs already; gets indices of ours for the time

A real node and one real proxy that remembers nothing: every pair is scored in every search. The documents are real
product texts, repeated with variations. Around the base point one variable is changed; every round measures all its
values, so that ratios compare neighbours in time. Added: the client's time less the first stage's by Server-Timing.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine import CHORUS, product_texts  # noqa: E402
from bench_proxy import machine  # noqa: E402
from bench_scale_texts import queries, token_counter, write_documents  # noqa: E402
from bench_search_client import Catalogue, Connection, Search, Timed, reranked  # noqa: E402
from bench_search_stand import calibrated_model, filled, node, serve, wait_until_ready  # noqa: E402

from middleware.catalog.prepare import PrepareOptions  # noqa: E402


@dataclass(frozen=True)
class Point:
    """What one measurement is of: hits reranked, tokens of a document, searches at once, documents in the index."""

    window: int = 100
    length: int = 32
    concurrency: int = 1
    size: int = 20_000

    @property
    def index(self) -> str:
        return f"bench-scale-{self.size}-{self.length}"

    @property
    def variant(self) -> str:
        return f"window-{self.window}"


VARIABLES: Mapping[str, Sequence[int]] = {
    "window": (10, 20, 50, 100, 200),
    "length": (16, 32, 64, 128, 256),
    "concurrency": (1, 2, 4, 8, 16),
    "size": (1_000, 20_000, 100_000),
}
MAX_TOKENS = 320
LEAST_ROUNDS = 3
SEARCHES = 4  # in each round, or as many as go at once


@dataclass
class Measured:
    """The rounds of one point: their searches, and how many came a second."""

    rounds: list[list[Timed]] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)

    @property
    def added_ms(self) -> Sequence[float]:
        """The median of each round."""
        return [float(np.median([each.added_ms for each in timed])) for timed in self.rounds]

    @property
    def es_ms(self) -> float:
        return float(np.median([each.es_ms for timed in self.rounds for each in timed]))


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(f"{machine()}; precision {options.precision}")
    sweeps = {name: sweep_of(name, options.base) for name in options.only}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-scale-")))
        texts = sorted(product_texts(CHORUS / "products.jsonl.gz").values())
        model = calibrated_model(options.model, scratch)
        upstream = stack.enter_context(node(options.elasticsearch))
        points = {point for sweep in sweeps.values() for point in sweep}
        catalogues = fill(stack, scratch, upstream, points, texts, model)
        port, _ = serve(stack, scratch, upstream, sections(model, options.precision, points))
        wait_until_ready([port])
        found = {point: finding(upstream, catalogues[point.index], point.window, texts) for point in points}
        for name, sweep in sweeps.items():
            measured = measure(port, sweep, catalogues, found, options.seconds)
            print_table(name, options.base, measured)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=variables, default=list(VARIABLES), help=",".join(VARIABLES))
    parser.add_argument("--base", type=base_point, default=Point(), metavar="NAME=NUMBER,...", help=f"{Point()}")
    parser.add_argument("--precision", default="fast", choices=("exact", "balanced", "fast"))
    parser.add_argument("--seconds", type=float, default=50, help="about how long each variable is measured")
    parser.add_argument("--model", type=Path, help="a trained cross-encoder; default: the demo's, where it is trained")
    parser.add_argument("--elasticsearch", type=int, metavar="PORT", help="a real node on this machine")
    return parser.parse_args()


def variables(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(VARIABLES):
        raise argparse.ArgumentTypeError(f"no such variable: {', '.join(sorted(unknown))}")
    return names


def base_point(text: str) -> Point:
    given = dict(pair.split("=") for pair in text.split(","))
    variables(",".join(given))
    return replace(Point(), **{name: int(number) for name, number in given.items()})


def sweep_of(name: str, base: Point) -> list[Point]:
    """The points of a table, the base among them."""
    return [replace(base, **{name: value}) for value in sorted({*VARIABLES[name], getattr(base, name)})]


def fill(
    stack: ExitStack, scratch: Path, upstream: int, points: set[Point], texts: Sequence[str], model: Path
) -> dict[str, Catalogue]:
    """An index for each size and length, by name."""
    count_tokens = token_counter(model)
    catalogues = {}
    for point in {point.index: point for point in points}.values():
        file = scratch / f"{point.index}.jsonl"
        write_documents(file, texts, point.size, point.length, count_tokens)
        options = PrepareOptions(drop_duplicates=False, drop_near_duplicates=False)
        catalogue = Catalogue(point.index, file, "{title}", ("title",), options=options, index=point.index)
        stack.enter_context(filled(upstream, catalogue, scratch))
        catalogues[point.index] = catalogue
    return catalogues


def sections(model: Path, precision: str, points: set[Point]) -> dict[str, object]:
    """rerank.yml of a proxy for all points, which remembers neither scores nor rankings."""
    windows = {point.variant: point.window for point in points}
    return {
        "models": {
            "default": {"source": str(model), "precision": precision, "max_tokens": MAX_TOKENS, "device": "cpu"}
        },
        "variants": {name: {"model": "default", "window": window} for name, window in windows.items()},
        "default_variant": next(iter(windows)),
        "indices": {point.index: {"template": "{title}"} for point in points},
        "scores": {"max_bytes": 0},
        "rankings": {"ttl_s": 0},
    }


def finding(upstream: int, catalogue: Catalogue, window: int, texts: Sequence[str]) -> Iterator[str]:
    """Queries that find as many hits as the window holds: fewer would make a search cheaper."""
    connection, kept = Connection(upstream), 0
    for tried, query in enumerate(queries(texts)):
        _, answer = connection.search(catalogue.body(query, 1), index=catalogue.index)
        if json.loads(answer)["hits"]["total"]["value"] >= window:
            kept += 1
            yield query
        elif tried > 1000 > 100 * kept:
            sys.exit(f"too few queries find {window} hits in {catalogue.index}")


def measure(
    port: int,
    sweep: Sequence[Point],
    catalogues: Mapping[str, Catalogue],
    found: Mapping[Point, Iterator[str]],
    seconds: float,
) -> dict[Point, Measured]:
    """All points once a round, for about `seconds`; the first round warms up."""
    measured = {point: Measured() for point in sweep}
    ways = {
        point: [reranked(port, point.variant, catalogues[point.index]) for _ in range(point.concurrency)]
        for point in sweep
    }
    deadline, is_warm = time.monotonic() + seconds, False
    while time.monotonic() < deadline or any(len(each.rounds) < LEAST_ROUNDS for each in measured.values()):
        for point, searches in ways.items():
            chosen = [next(found[point]) for _ in range(max(SEARCHES, 2 * point.concurrency))]
            started = time.perf_counter()
            timed = at_once(searches, chosen)
            if is_warm:
                measured[point].rounds.append(timed)
                measured[point].per_second.append(len(timed) / (time.perf_counter() - started))
        is_warm = True
    return measured


def at_once(searches: Sequence[Search], chosen: Sequence[str]) -> list[Timed]:
    """Every one of `searches` takes its share of the queries, in a thread of its own."""
    count = len(searches)
    with ThreadPoolExecutor(count) as threads:
        shares = threads.map(one_by_one, searches, [chosen[place::count] for place in range(count)])
        return [timed for share in shares for timed in share]


def one_by_one(search: Search, chosen: Sequence[str]) -> list[Timed]:
    return [search(query) for query in chosen]


def print_table(name: str, base: Point, measured: Mapping[Point, Measured]) -> None:
    fixed = ", ".join(f"{other} {getattr(base, other)}" for other in VARIABLES if other != name)
    print(f"\n**{name}**, at {fixed}; median of {len(measured[base].rounds)} rounds (quartiles)\n")
    print(f"| {name} | added ms | times the base | searches/s | Elasticsearch, ms |")
    print("|---|---|---|---|---|")
    for point, mine in measured.items():
        ratios = np.array(mine.added_ms) / np.array(measured[base].added_ms)
        rate = np.median(mine.per_second)
        print(
            f"| {getattr(point, name)} | {quartiles(mine.added_ms, 0)} | {quartiles(ratios, 2)} "
            f"| {rate:.1f} | {mine.es_ms:.1f} |"
        )


def quartiles(values: Sequence[float], digits: int) -> str:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
