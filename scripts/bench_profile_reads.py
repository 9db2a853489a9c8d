"""What a profile costs a search: CPU of our process and wall time added, against a real node of its own.

    python scripts/bench_profile_reads.py [--engine opensearch] [--searches 400]

Each user has a stored state of 40 events, and 5 events of this session in the index; products have vectors of 384
dimensions in an index of their own. A search is asked with and without its user's profile in turn, the profile on its
way while the node searches, as in the proxy. Three cases: `new`: nothing of this user is remembered (products are,
since users share them); `known`: the stored state is remembered, the newest events are read anew, as for a user who
searches every few seconds; `again`: the second search within a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from middleware.catalog.mapping_files import load_body
from middleware.config import FeatureFields, ProfileSettings, UpstreamSettings
from middleware.config.vectors import VectorSettings
from middleware.message import Request
from middleware.nodes.launch import start_node
from middleware.own_requests import make_fetch
from middleware.personalization.documents import to_document
from middleware.personalization.events import Event
from middleware.personalization.fields import read_hit_fields
from middleware.personalization.products import VectorSource
from middleware.personalization.state import EMPTY, Product, fold
from middleware.personalization.store import ProfileReader
from middleware.rerank.vector_reader import VectorReader
from middleware.rerank.vectors import pack, vector_key
from middleware.search.document import parse_template
from middleware.upstream import Upstream, read_all

PRODUCTS, USERS, STORED, SESSION, DIMENSIONS = 2000, 400, 40, 5, 384
REVISION = "bench@1"
NAMES = {"index": "profiles", "events_index": "ubi_events", "products_index": "products"}
SEARCH = {"query": {"match": {"title": "thing"}}, "size": 50}


class NoEncoder:
    """Of queries nothing is asked here."""

    name, revision = "bench", REVISION

    def encode_queries(self, texts: Sequence[str]) -> Any:
        return np.ones((len(texts), DIMENSIONS), dtype=np.float32)


def product(number: int) -> dict[str, Any]:
    names = {"brand": f"Brand {number % 60}", "category": [f"Part {number % 9}", f"Shelf {number % 70}"]}
    return {"title": f"thing number {number}", "price": 5.0 + number % 500, **names}


def documents(now: float, vectors: Sequence[str]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(index, _id, document) of all that the node holds."""
    random = np.random.default_rng(7)
    folded: dict[str, Product] = {}
    for number, vector in enumerate(vectors):
        found = product(number)
        yield "products", str(number), found
        yield "vectors", vector_key(REVISION, found["title"]), {"vector": vector, "encoder": REVISION}
        values = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
        unit = random.standard_normal(DIMENSIONS).astype(np.float32)
        folded[str(number)] = Product(read_hit_fields(values, FeatureFields()), unit / np.linalg.norm(unit))
    for user in range(USERS):
        picks = [str(pick) for pick in random.integers(PRODUCTS, size=STORED + SESSION)]
        past = [Event("", "click", pick, now - 86_400 * (1 + at), f"{user}-{at}") for at, pick in enumerate(picks)]
        state = fold(EMPTY, past[:STORED], folded, ProfileSettings(), now - 3600, REVISION)
        yield "profiles", f"user-{user}", to_document(state)
        for at, pick in enumerate(picks[STORED:]):
            act = {"client_id": f"user-{user}", "action_name": "click", "timestamp": int((now - 60 - at) * 1000)}
            yield "ubi_events", f"{user}-now-{at}", act | {"event_attributes": {"object": {"object_id": pick}}}


def fill(upstream: Upstream, now: float) -> None:
    """Make the indices under our own mappings, and fill them."""

    def send(method: str, path: str, body: bytes) -> None:
        kind = "application/x-ndjson" if path.startswith("/_bulk") else "application/json"
        answer = upstream.search(Request(method, path, ()), path, body, {"Content-Type": kind})
        data = read_all(answer, 1 << 28)
        if answer.status != 200 or b'"errors":true' in (data or b""):
            raise SystemExit(f"{path}: {answer.status} {(data or b'')[:500]!r}")

    for name, mapping in (("profiles", "profiles"), ("vectors", "vectors"), ("ubi_events", "ubi_events")):
        send("PUT", f"/{name}", json.dumps(load_body(mapping)).encode())
    packed = pack(np.random.default_rng(1).standard_normal((PRODUCTS, DIMENSIONS)).astype(np.float32))
    lines: list[str] = []
    for index, document_id, document in documents(now, packed):
        lines += [json.dumps({"index": {"_index": index, "_id": document_id}}), json.dumps(document)]
    for start in range(0, len(lines), 1000):
        send("POST", "/_bulk?refresh=true", "\n".join([*lines[start : start + 1000], ""]).encode())


def measure(search: Callable[[], object], profile: Callable[[int], Any], rounds: int) -> dict[str, float]:
    """Medians of what a profile adds to a search, in ms; `profile` starts one and returns its future."""
    added, waited, cpu = [], [], []
    for number in range(rounds):
        plain = [time.perf_counter(), time.process_time()]
        search()
        plain = [time.perf_counter() - plain[0], time.process_time() - plain[1]]
        personal = [time.perf_counter(), time.process_time()]
        future = profile(number)
        search()
        there = time.perf_counter()
        found = future.result()
        if found is None or found.events != STORED + SESSION or found.session_vector is None:
            raise SystemExit(f"not the profile that it should be: {found}")
        waited.append(time.perf_counter() - there)
        added.append(time.perf_counter() - personal[0] - plain[0])
        cpu.append(time.process_time() - personal[1] - plain[1])
    figures = {"added_ms": added, "waited_ms": waited, "cpu_ms": cpu}
    return {name: round(statistics.median(values) * 1000, 2) for name, values in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="elasticsearch", choices=("elasticsearch", "opensearch"))
    parser.add_argument("--searches", type=int, default=USERS, help=f"of each case, at most {USERS}")
    options = parser.parse_args()
    node = start_node(options.engine, heap="512m", die_with_us=True, quiet=True)
    try:
        run(node.url, min(options.searches, USERS))
    finally:
        node.stop()


def run(url: str, rounds: int) -> None:
    """Fill the node and print a line of JSON for each case."""
    upstream, now = Upstream(UpstreamSettings(urls=(url,))), time.time()
    fill(upstream, now)
    fetch = make_fetch(upstream)
    vectors = VectorReader("vectors", VectorSettings(), fetch, load=lambda _: NoEncoder())
    vectors.load()
    settings = ProfileSettings(**NAMES, fresh_ttl_s=3600.0, cache_ttl_s=3600)
    source = VectorSource(vectors, parse_template("{title}"), 2000)

    def reader_with(settings: ProfileSettings) -> ProfileReader:
        return ProfileReader(settings, FeatureFields(), fetch, vectors=source)

    def search() -> object:
        return fetch("products", SEARCH, {})

    reader, restless = reader_with(settings), reader_with(settings.model_copy(update={"fresh_ttl_s": 1e-9}))
    for number in range(rounds):  # products and vectors are warm, and so are the node and its connections
        for each in (reader, restless):
            each.read(f"user-{number}", {})
    reader.forget()
    cases = {"new": reader, "known": restless, "again": reader}
    for name, each in cases.items():
        took = measure(search, lambda number, each=each: each.prefetch(f"user-{number}", {}), rounds)
        print(json.dumps({"case": name, "searches": rounds, **took}))


if __name__ == "__main__":
    main()
