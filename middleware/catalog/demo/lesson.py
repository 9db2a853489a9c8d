"""The files of the README's tutorial: the demo shop in English as a shop would have it, a table and a click log."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from middleware.catalog.demo.clicks import make_clicks
from middleware.catalog.demo.generator import DEFAULT_SEED, stock_shop
from middleware.catalog.demo.model import EXACT, DemoCatalog, Split
from middleware.catalog.demo.wishes import wish

_COLUMNS = ("id", "title", "brand", "category", "description", "price", "popularity", "date_released")
_WISHES, _SEARCHES = 160, 4000
_FILES: Mapping[str, Split] = {"judged.csv": "train", "held_out.csv": "held_out"}


@dataclass(frozen=True, slots=True)
class Lesson:
    """Products and judgments (query, doc_id, rating) of the English half, and the records of the click log."""

    products: Sequence[Mapping[str, Any]]
    judged: Mapping[Split, Sequence[tuple[str, str, int]]]
    clicks: Sequence[Mapping[str, Any]]


def make_lesson(catalog: DemoCatalog, now: datetime, seed: int = DEFAULT_SEED) -> Lesson:
    """The lesson of the catalogue that was made with `seed`; the log has none of its judged queries, in any order."""
    texts = {query.query_id: query for query in catalog.queries if query.language == "en"}
    judged: dict[Split, list[tuple[str, str, int]]] = {"train": [], "held_out": []}
    for each in catalog.qrels:
        if each.query_id in texts:
            query = texts[each.query_id]
            judged[query.split].append((query.text, each.product_id, each.grade))
    items = stock_shop(seed)
    rng = random.Random(f"{seed}:clicks")
    intents = wish(items, _WISHES, [query.text for query in texts.values()], rng)
    # What many products answer is searched most.
    intents.sort(key=lambda intent: -sum(intent.grade(item) == EXACT for item in items))
    return Lesson(catalog.products, judged, make_clicks(items, intents, _SEARCHES, now, rng))


def write_lesson(lesson: Lesson, folder: Path) -> tuple[Path, ...]:
    """Write products.csv, clicks.ndjson (UBI), judged.csv and held_out.csv; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    products = ([product.get(name, "") for name in _COLUMNS] for product in lesson.products)
    paths = [_write_table(folder / "products.csv", _COLUMNS, products), folder / "clicks.ndjson"]
    with paths[-1].open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{json.dumps(record, ensure_ascii=False)}\n" for record in lesson.clicks)
    for name, split in _FILES.items():
        paths.append(_write_table(folder / name, ("query", "doc_id", "rating"), lesson.judged[split]))
    return tuple(paths)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_chain(columns, rows))
    return path


def _chain(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    yield columns
    yield from rows
