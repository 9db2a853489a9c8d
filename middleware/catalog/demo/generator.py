"""Makes the demo catalogue: the same products, judgments and events on every machine, from one seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from middleware.catalog.demo import (
    audio,
    bicycles,
    cameras,
    cleaning,
    clothing,
    computers,
    kitchen,
    phone_accessories,
    phones,
    printing,
    screens,
    shoes,
    toys,
)
from middleware.catalog.demo.behaviour import make_events
from middleware.catalog.demo.intents import Intent
from middleware.catalog.demo.model import EXACT, DemoCatalog, Judgment, Query, Split
from middleware.catalog.demo.queries_held_out import HELD_OUT
from middleware.catalog.demo.queries_train import TRAIN
from middleware.catalog.demo.shelf import Item, Shelf

DEFAULT_SEED = 7
# fixed, so that two runs give the same bytes; pass the real time where the profile's decay should see fresh events
DEFAULT_NOW = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
_DEPARTMENTS = (
    phones, phone_accessories, computers, audio, screens, cameras, kitchen, shoes, clothing, toys, bicycles, printing,
    cleaning,
)  # fmt: skip
_HARD_NEGATIVES = 30
_TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+")


def generate(seed: int = DEFAULT_SEED, now: datetime = DEFAULT_NOW) -> DemoCatalog:
    """The demo catalogue; equal seeds give equal products, queries and judgments, `now` only dates the events."""
    items = stock_shop(seed)
    products = tuple(item.document for item in items)
    queries = tuple(_name_queries("t", "train", TRAIN)) + tuple(_name_queries("h", "held_out", HELD_OUT))
    title_tokens = [_tokens(f"{product.get('title', '')} {product.get('title_zh', '')}") for product in products]
    qrels = tuple(
        judgment
        for query, intent in zip(queries, (*TRAIN, *HELD_OUT), strict=True)
        for judgment in _judge(query, intent, items, title_tokens)
    )
    return DemoCatalog(products, queries, qrels, make_events(items, now, random.Random(f"{seed}:events")))


def write(catalog: DemoCatalog, folder: Path) -> tuple[Path, ...]:
    """Write products.jsonl, queries.tsv (with a header), qrels.txt (TREC: qid 0 docid grade) and events.ndjson.

    Makes the folder where it is missing; returns the paths written. OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = "query_id\ttext\tlanguage\tkind\tsplit"
    files = {
        "products.jsonl": map(_to_json, catalog.products),
        "queries.tsv": [
            header,
            *(f"{q.query_id}\t{q.text}\t{q.language}\t{q.kind}\t{q.split}" for q in catalog.queries),
        ],
        "qrels.txt": (f"{j.query_id} 0 {j.product_id} {j.grade}" for j in catalog.qrels),
        "events.ndjson": map(_to_json, catalog.events),
    }
    for name, lines in files.items():
        _write_lines(folder / name, lines)
    return tuple(folder / name for name in files)


def stock_shop(seed: int) -> list[Item]:
    """The products of `generate` beside their hidden facts, in the same order."""
    items: list[Item] = []
    for department in _DEPARTMENTS:
        shelf = Shelf(random.Random(f"{seed}:{department.__name__.rpartition('.')[2]}"))
        department.stock(shelf)
        items += shelf.items
    # ties in the first stage are broken by index order: that order must not know departments
    random.Random(f"{seed}:order").shuffle(items)
    return [Item({"id": f"p{number:04d}", **item.document}, item.facts) for number, item in enumerate(items, start=1)]


def _name_queries(prefix: str, split: Split, intents: Sequence[Intent]) -> Iterator[Query]:
    for number, intent in enumerate(intents, start=1):
        yield Query(f"{prefix}{number:03d}", intent.text, intent.language, intent.kind, split)


def _judge(
    query: Query, intent: Intent, items: Sequence[Item], title_tokens: Sequence[frozenset[str]]
) -> Iterator[Judgment]:
    """Every product with a grade, then the zero-graded ones that tempt most (the rest is zero, too, and left out)."""
    grades = [intent.grade(item) for item in items]
    aisles = {item.document["category"] for item, grade in zip(items, grades, strict=True) if grade == EXACT}
    wanted = _tokens(query.text)
    tempting: list[tuple[int, str]] = []
    for item, grade, tokens in zip(items, grades, title_tokens, strict=True):
        product_id = item.document["id"]
        # shared words tempt a lexical ranking, the same department a semantic one
        temptation = 2 * len(wanted & tokens) + (item.document["category"] in aisles)
        if grade:
            yield Judgment(query.query_id, product_id, grade)
        else:
            tempting.append((-temptation, product_id))
    for _, product_id in sorted(tempting)[:_HARD_NEGATIVES]:
        yield Judgment(query.query_id, product_id, 0)


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.casefold()))


def _to_json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
