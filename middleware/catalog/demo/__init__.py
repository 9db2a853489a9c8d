"""The demo catalogue: a shop of our own making with the confusions of real ones, its queries, judgments and users."""

from __future__ import annotations

from middleware.catalog.demo.generator import DEFAULT_NOW, DEFAULT_SEED, generate, write
from middleware.catalog.demo.model import DemoCatalog, Judgment, Query
from middleware.catalog.demo.showcase import DEMO_QUERIES, NO_HIT_QUERY, PERSONAL_QUERY, DemoQuery

__all__ = [
    "DEFAULT_NOW",
    "DEFAULT_SEED",
    "DEMO_QUERIES",
    "NO_HIT_QUERY",
    "PERSONAL_QUERY",
    "DemoCatalog",
    "DemoQuery",
    "Judgment",
    "Query",
    "generate",
    "write",
]
