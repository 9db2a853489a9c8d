"""A small shop with behaviour of two tastes, and a build of its profiles as a process that tests kill."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402

from middleware.catalog.bootstrap_patience import Patience  # noqa: E402
from middleware.catalog.client import connect  # noqa: E402
from middleware.config import Settings  # noqa: E402
from middleware.learning.profiles.build import BuildOptions, BuildReport, build_profiles  # noqa: E402
from middleware.learning.profiles.products import VectorsOf  # noqa: E402
from middleware.personalization.identity import Identity  # noqa: E402
from middleware.rerank.vectors import pack, vector_key  # noqa: E402
from middleware.search.document import parse_template  # noqa: E402

NOW = 1_760_000_000.0
DAY_S = 86_400.0
LEAST_USERS = 10
KINDS = {"shoes": "Runner", "phones": "Ringer"}
PRODUCTS = {f"{kind}-{number}": kind for kind in KINDS for number in range(20)}
IDENTITY = Identity(b"a key of sixteen bytes or more")


def names(prefix: str) -> dict[str, str]:
    return {kind: f"{prefix}-{kind}" for kind in ("products", "events", "profiles", "vectors")}


def settings_of(url: str, prefix: str) -> Settings:
    index = names(prefix)
    return Settings.model_validate({
        "upstream": {"urls": [url]},
        "indices": {index["products"]: {"template": "{title}"}},
        "privacy": {"key": "a key of sixteen bytes or more", "least_users": LEAST_USERS},
        "profiles": {
            "index": index["profiles"], "events_index": index["events"], "products_index": index["products"],
        },
    })  # fmt: skip


def vectors_in(prefix: str) -> VectorsOf:
    return VectorsOf(names(prefix)["vectors"], "r1", parse_template("{title}"), 1000)


def products(prefix: str) -> dict[str, dict]:
    return {
        name: {"title": name, "brand": KINDS[kind], "category": kind, "price": 10.0 + number}
        for number, (name, kind) in enumerate(PRODUCTS.items())
    }


def vector_documents() -> dict[str, dict]:
    """Shoes lie about the first axis, phones about the second."""
    drawn = np.random.default_rng(0).normal(0, 0.2, (len(PRODUCTS), 8)).astype(np.float32)
    for row, kind in enumerate(PRODUCTS.values()):
        drawn[row, list(KINDS).index(kind)] += 1
    return {
        vector_key("r1", name): {"vector": packed, "encoder": "r1", "index": "any", "product": name}
        for name, packed in zip(PRODUCTS, pack(drawn), strict=True)
    }


def event(user: str, action: str, target: str, age_days: float, **others: object) -> dict:
    stamp = int((NOW - age_days * DAY_S) * 1000)
    about = {"object": {"object_id": target, "object_id_field": "_id"}}
    return {"client_id": user, "action_name": action, "timestamp": stamp, "event_attributes": about, **others}


def behaviour(users: int = 60, each: int = 8) -> dict[str, dict]:
    """_id -> event of `users` users, who like shoes and phones in turn; every tenth act is on the other kind."""
    draw = random.Random(7)
    events = {}
    for number in range(users):
        likes = list(KINDS)[number % 2]
        for act in range(each):
            kind = likes if act % 10 else list(KINDS)[(number + (act == 0 and number % 5 == 0)) % 2]
            action = draw.choice(["view", "click", "add_to_cart", "purchase"])
            target = f"{kind}-{draw.randrange(10)}"
            events[f"e{number}-{act}"] = event(f"shopper {number}", action, target, draw.uniform(0.1, 80))
    return events


def write_log(path: Path, events: dict[str, dict]) -> Path:
    path.write_text("".join(json.dumps({"event_id": name, **each}) + "\n" for name, each in events.items()))
    return path


def build(url: str, prefix: str, work: Path, step=lambda *_: None, **options: object) -> BuildReport:
    return build_profiles(
        connect(url),
        settings_of(url, prefix),
        IDENTITY,
        vectors_in(prefix),
        work,
        BuildOptions(**{"now": NOW, "portion": 100, "most_events": 100, **options}),
        step,
        Patience(30),
    )


def main(url: str, prefix: str, work: str, kill_at: int) -> None:
    """Kills itself as it touches its work folder for the time `kill_at`: opens, makes, renames or removes a file."""
    touched = 0

    def watch(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal touched
        if name in ("open", "os.mkdir", "os.rename", "os.remove") and str(arguments[0]).startswith(work):
            touched += 1
            if touched == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    report = build(url, prefix, Path(work))
    print(json.dumps({"touched": touched, "resumed": report.resumed}))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
