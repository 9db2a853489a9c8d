"""What the demo generator hands out, so that the bootstrap, the training and the evaluation share one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "held_out"]
# the best grade
EXACT = 3


@dataclass(frozen=True, slots=True)
class Query:
    """One search of the test collection; `kind` names the difficulty it stands for, `language` is en, zh or mixed."""

    query_id: str
    text: str
    language: str
    kind: str
    split: Split


@dataclass(frozen=True, slots=True)
class Judgment:
    """How well a product answers a query: 3 exactly, 2 a good substitute, 1 related or an accessory, 0 irrelevant."""

    query_id: str
    product_id: str
    grade: int


@dataclass(frozen=True, slots=True)
class DemoCatalog:
    """The whole demo: product documents, queries with their judgments, and UBI events of invented users."""

    products: tuple[dict[str, Any], ...]
    queries: tuple[Query, ...]
    qrels: tuple[Judgment, ...]
    events: tuple[dict[str, Any], ...]
