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
    DemoQuery("iPhone 12", "the phone itself above the cases and cables that repeat its name"),
    DemoQuery("降噪耳机", "Chinese: noise cancelling headphones above earphones, ear pads and cases"),
    DemoQuery("WH-1000XM4", "a model number: the headphones above their ear pads and bags, and above the XM3 and XM5"),
    DemoQuery("apple watch", "a brand against words: the watches above the bands that are made for them"),
    DemoQuery("iPhone 12 手机壳", "two languages in one query: cases for this very phone"),
    DemoQuery(NO_HIT_QUERY, "no product has this word: nothing to rerank, and the answer says so"),
)
