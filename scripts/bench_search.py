#!/usr/bin/env python3
"""What a whole search costs beyond Elasticsearch's own time, cold and in a Zipf replay of real queries.

    scripts/bench_search.py                        # some 8 minutes; prints Markdown
    scripts/bench_search.py --cold 20 --requests 500 --variants exact fast
    scripts/bench_search.py --elasticsearch 9200   # a node that runs already; gets an index of ours for the time

A real node with the Chorus catalogue, and before it a real proxy for each variant, so that every one has memories of
its own. Each search goes to all of them and to Elasticsearch itself in turn, the order rotating, so that differences
and ratios compare neighbours in time. Added: the client's time less the first stage's by Server-Timing (`es`), and
less that of the same search sent to Elasticsearch itself with the window as its size. Cold: every query is new to the
memories of scores and rankings. Warm: queries drawn by Zipf's law over their ranks by real frequency.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine import CHORUS  # noqa: E402
from bench_proxy import cpu_seconds, machine  # noqa: E402
from bench_search_client import PAGE, Connection, Timed, direct, in_turn, reranked  # noqa: E402
from bench_search_stand import Proxy, Stand, Variant, stand, wait_until_ready  # noqa: E402

ENGINE_ALONE = {"cascade": {"enabled": False}}
VARIANTS = (  # the first is the engine alone, which the others are compared with
    Variant("exact", {"precision": "exact"}, ENGINE_ALONE),
    Variant("exact-cascade", {"precision": "exact"}),
    Variant("fast", {"precision": "fast"}, ENGINE_ALONE),
    Variant("fast-cascade", {"precision": "fast"}),
)
TTLS = (60, 0)
WARM_UP = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lane:
    """What was measured of one proxy in one phase: its searches; of each, CPU time and pairs that the model scored."""

    proxy: Proxy
    timed: Sequence[Timed]
    cpu_ms: float
    scored: float

    @property
    def added_ms(self) -> Floats:
        """Beyond the first stage by Server-Timing, which includes the reading of its answer."""
        return np.array([each.added_ms for each in self.timed])


@dataclass(frozen=True)
class Phase:
    """The same searches with every proxy, and of Elasticsearch itself for the page and for the whole window."""

    page: Sequence[Timed]
    window: Sequence[Timed]
    lanes: Sequence[Lane]

    def beyond_direct_ms(self, lane: Lane) -> Floats:
        return np.array([ours.wall_ms - own.wall_ms for ours, own in zip(lane.timed, self.window, strict=True)])


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(machine())
    with stand(options.data, options.model, options.elasticsearch) as ready:
        print(f"{ready.catalogue.name} catalogue, {ready.documents} documents, window {options.window}, page {PAGE}")
        queries = full_windows(ready, options.window, options.pool + options.cold + WARM_UP)
        pool, others = queries[: options.pool], queries[options.pool :]
        chosen = [variant for variant in VARIANTS if variant.name in options.variants]
        if any(variant.variant is not ENGINE_ALONE for variant in chosen):
            ready.teach(options.window)
        proxies = [ready.start(variant, options.window, ttl_s) for ttl_s in TTLS for variant in chosen]
        wait_until_ready(proxy.port for proxy in proxies)
        measure(ready, proxies, options.window, others[:WARM_UP])
        cold = measure(ready, proxies[: len(chosen)], options.window, others[WARM_UP:])
        print_cold(cold)
        warm = measure(ready, proxies, options.window, zipf(pool, options.requests, options.exponent))
        print_warm(warm, len(pool), float(np.median(cold.lanes[0].added_ms)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--variants", nargs="+", choices=names, default=names)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--cold", type=int, default=60, help="searches of each variant, each of another query")
    parser.add_argument("--requests", type=int, default=3000, help="searches of each variant in the replay")
    parser.add_argument("--pool", type=int, default=300, help="the most frequent queries, which the replay draws from")
    parser.add_argument("--exponent", type=float, default=1.0, help="of Zipf's law")
    parser.add_argument("--data", type=Path, default=CHORUS, help="folder of the Chorus catalogue and log")
    parser.add_argument("--model", type=Path, help="a trained cross-encoder; default: the demo's, where it is trained")
    parser.add_argument("--elasticsearch", type=int, metavar="PORT", help="a real node on this machine")
    return parser.parse_args()


def full_windows(ready: Stand, window: int, wanted: int) -> list[str]:
    """The most frequent queries that find as many hits as the window holds: fewer would make a search cheaper."""
    connection, found = Connection(ready.port), []
    for query, _ in sorted(ready.catalogue.queries.items(), key=lambda each: (-each[1], each[0])):
        _, answer = connection.search(ready.catalogue.body(query, 1), index=ready.catalogue.index)
        if json.loads(answer)["hits"]["total"]["value"] >= window:
            found.append(query)
            if len(found) == wanted:
                return found
    sys.exit(f"only {len(found)} queries find {window} hits, {wanted} are wanted: give smaller numbers")


def zipf(queries: Sequence[str], count: int, exponent: float) -> list[str]:
    """`count` draws, the same each time; a query's weight is its rank to the power of minus `exponent`."""
    weights = [1 / rank**exponent for rank in range(1, len(queries) + 1)]
    return random.Random(0).choices(queries, weights, k=count)


def measure(ready: Stand, proxies: Sequence[Proxy], window: int, queries: Sequence[str]) -> Phase:
    """Search for each query directly and with every proxy, in turn."""
    before = [(cpu_seconds(proxy.pid), proxy.scored_pairs()) for proxy in proxies]
    own = [direct(ready.port, ready.catalogue, size) for size in (PAGE, window)]
    through = [reranked(proxy.port, proxy.variant.name, ready.catalogue) for proxy in proxies]
    page, whole, *ours = in_turn([*own, *through], queries)
    lanes = []
    for proxy, timed, (cpu_s, scored) in zip(proxies, ours, before, strict=True):
        cpu_ms = (cpu_seconds(proxy.pid) - cpu_s) * 1000 / len(timed)
        lanes.append(Lane(proxy, timed, cpu_ms, (proxy.scored_pairs() - scored) / len(timed)))
    return Phase(page, whole, lanes)


def print_cold(phase: Phase) -> None:
    print(f"\n**Cold**: {len(phase.page)} queries, each new to the memories. {own_times(phase)}\n")
    print("| variant | added ms (quartiles) | beyond direct, ms | times as fast as the first ", end="")
    print("| pairs scored | CPU ms |")
    print("|---|---|---|---|---|---|")
    alone = phase.lanes[0].added_ms
    for lane in phase.lanes:
        cells = [
            lane.proxy.variant.name,
            quartiles(lane.added_ms),
            f"{np.median(phase.beyond_direct_ms(lane)):.1f}",
            quartiles(alone / lane.added_ms),
            f"{lane.scored:.1f}",
            f"{lane.cpu_ms:.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def print_warm(phase: Phase, pool: int, alone_ms: float) -> None:
    print(f"\n**Warm**: {len(phase.page)} draws by Zipf's law from {pool} queries. {own_times(phase)}\n")
    print("| variant | `rankings.ttl_s` | added ms: median | p95 | p99 | beyond direct, ms ", end="")
    print("| times as fast as the first, cold | pairs scored | CPU ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for lane in phase.lanes:
        middle, high, highest = np.percentile(lane.added_ms, (50, 95, 99))
        cells = [
            lane.proxy.variant.name,
            str(lane.proxy.ttl_s),
            f"{middle:.2f}",
            f"{high:.1f}",
            f"{highest:.1f}",
            f"{np.median(phase.beyond_direct_ms(lane)):.2f}",
            f"{alone_ms / middle:.0f}",
            f"{lane.scored:.1f}",
            f"{lane.cpu_ms:.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def own_times(phase: Phase) -> str:
    page, window = (np.median([each.wall_ms for each in timed]) for timed in (phase.page, phase.window))
    return f"Elasticsearch itself, median: {page:.1f} ms for the page, {window:.1f} ms for the window"


def quartiles(values: Floats) -> str:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
