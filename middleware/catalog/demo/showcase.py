"""The searches that the demo prints: all held out from training, each for one thing that lexical order gets wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoQuery:
    """A search to show, and one line on what to look for in its answer."""

    text: str
    note: str


# a word that no product has, so that the demo shows what an empty answer looks like
NO_HIT_QUERY = "flurbelgrommit"
# one query on which the profiles of anna and ben differ
PERSONAL_QUERY = "headphones"

DEMO_QUERIES = (
    DemoQuery("iPhone 12", "the phone itself above the cases that repeat its name"),
    DemoQuery(
        "55英寸电视", "Chinese, 55 inch television: the televisions above covers, stands and wall mounts of that size"
    ),
    DemoQuery("WH-1000XM4", "a model number: the headphones above their own ear pads, before the XM5 and the XM3"),
    DemoQuery("apple juice", "a brand that is also a word: juice above juicers, and no telephone"),
    DemoQuery("Dyson 吸尘器", "two languages in one query, Dyson vacuum cleaner: of this brand, and no bag or brush"),
    DemoQuery(NO_HIT_QUERY, "no product has this word: nothing to rerank, and the answer says so"),
)
