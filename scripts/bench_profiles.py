#!/usr/bin/env python3
"""How long profiles take, and how much memory: a log of users with known tastes, built for real.

Needs a node: `es-rerank node start`, then e.g. `scripts/bench_profiles.py --users 1000000`. The log and the shop are
invented (products of 20 kinds, vectors about the kind's own direction), so times count, and not what is found, beside
the number of clusters.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from elasticsearch.helpers import bulk

from middleware.catalog.bootstrap_patience import Patience
from middleware.catalog.client import connect
from middleware.catalog.mapping_files import load_body
from middleware.config import Settings
from middleware.learning.profiles.build import BuildOptions, build_profiles
from middleware.learning.profiles.products import VectorsOf
from middleware.personalization.identity import Identity
from middleware.rerank.vectors import pack, vector_key
from middleware.search.document import parse_template

KINDS, BRANDS, DIMENSIONS = 20, 200, 384
INDEX = {kind: f"bench-profiles-{kind}" for kind in ("products", "vectors", "profiles")}
ACTIONS = ("view",) * 6 + ("click",) * 3 + ("add_to_cart", "purchase")


def write_shop(client: object, products: int) -> None:
    """Products and their vectors in indices of their own."""
    draw = np.random.default_rng(1)
    kinds = draw.normal(0, 1, (KINDS, DIMENSIONS))
    noise = draw.normal(0, 1, (products, DIMENSIONS))
    packed = pack((kinds[np.arange(products) % KINDS] + noise).astype(np.float32))
    for kind in INDEX.values():
        client.options(ignore_status=404).indices.delete(index=kind)
    client.indices.create(index=INDEX["vectors"], **load_body("vectors"))
    documents = (
        {
            "_index": INDEX["products"],
            "_id": str(row),
            "title": f"product {row}",
            "brand": f"brand {row * 7 % BRANDS}",
            "category": [f"kind {row % KINDS}", f"kind {row % KINDS} part {row % 7}"],
            "price": 5.0 + row % 300,
        }
        for row in range(products)
    )
    vectors = (
        {"_index": INDEX["vectors"], "_id": vector_key("bench", f"product {row}"), "vector": each}
        for row, each in enumerate(packed)
    )
    bulk(client, documents, refresh=True)
    bulk(client, vectors, refresh=True)


def write_log(path: Path, users: int, events: int, products: int, now: float) -> None:
    """`events` acts in no order of users; every user likes two kinds, and the first products of them most."""
    draw = random.Random(2)
    of_kind = products // KINDS
    with path.open("w") as file:
        for number in range(events):
            user = int(users * draw.random() ** 1.3)
            kind = (user % KINDS, (user // KINDS) % KINDS, draw.randrange(KINDS))[int(3.3 * draw.random() ** 2.5) % 3]
            product = int(of_kind * draw.random() ** 3) * KINDS + kind
            at = int((now - draw.expovariate(1 / 40) * 86_400) * 1000)
            file.write(
                f'{{"event_id":"e{number}","client_id":"shopper {user}","action_name":"{draw.choice(ACTIONS)}",'
                f'"timestamp":{at},"event_attributes":{{"object":{{"object_id":"{product}"}}}}}}\n'
            )


def watch_memory(stop: threading.Event, peak: list[int]) -> None:
    """The greatest memory that is the process's own (without files that are mapped), in kB."""
    while not stop.wait(0.2):
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak[0] = max(peak[0], int(fields["RssAnon"].split()[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:9200")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=0, help="default: 20 a user")
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench-profiles")
    wanted = parser.parse_args()
    events = wanted.events or 20 * wanted.users
    client, now = connect(wanted.url), 1_760_000_000.0
    wanted.folder.mkdir(parents=True, exist_ok=True)
    log = wanted.folder / f"log-{wanted.users}-{events}.ndjson"
    if not log.exists():
        write_log(log.with_suffix(".unfinished"), wanted.users, events, wanted.products, now)
        log.with_suffix(".unfinished").rename(log)
    write_shop(client, wanted.products)
    print(f"the log has {log.stat().st_size / 1e6:,.0f} MB", flush=True)
    settings = Settings.model_validate(
        {
            "indices": {INDEX["products"]: {"template": "{title}"}},
            "profiles": {"index": INDEX["profiles"], "products_index": INDEX["products"]},
        }
    )
    started, before, peak, stop = time.monotonic(), [""], [0], threading.Event()
    threading.Thread(target=watch_memory, args=(stop, peak), daemon=True).start()

    def step(what: str, _done: int, _steps: int) -> None:
        kind = what.split(":")[0]
        if kind != before[0]:
            print(f"{time.monotonic() - started:7.1f} s, {peak[0] / 1e3:5.0f} MB: {kind}", flush=True)
            before[0] = kind

    vectors = VectorsOf(INDEX["vectors"], "bench", parse_template("{title}"), 1000)
    options, key = BuildOptions(log, now=now), Identity(b"of a bench alone, sixteen bytes")
    report = build_profiles(client, settings, key, vectors, wanted.folder / "work", options, step, Patience(300))
    stop.set()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    said = {
        "users": report.users,
        "events": report.events,
        "seconds": round(report.seconds, 1),
        "peak RSS, MB": round(most),
        "peak RSS without mapped files, MB": round(peak[0] / 1e3),
        "disk in between, MB": round(report.disk_bytes / 1e6),
        "silhouettes": {k: round(value, 3) for k, value in report.silhouettes.items()},
        "statistics": {each.name: each.users for each in report.statistics},
        "dropped": dict(report.dropped),
    }
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
