"""What logged shoppers search for, read off the products' hidden facts, so that a click log needs no judged query."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from middleware.catalog.demo.intents import Intent, Rule, ask, give
from middleware.catalog.demo.model import EXACT
from middleware.catalog.demo.shelf import Item

_WORDS = {
    "bicycle": "bike",
    "board_game": "board game",
    "hiking": "hiking shoes",
    "ink": "ink cartridge",
    "over_ear": "headphones",
    "phone_case": "case",
    "running": "running shoes",
    "sneaker": "sneakers",
    "trail": "trail running shoes",
    "vacuum": "vacuum cleaner",
}
"""Shoppers' words for kinds whose own name is none."""

_FEATURES = frozenset({"4k", "bluetooth", "gaming", "kids", "oled", "waterproof", "wired", "wireless"})
_WORD = re.compile(r"[^\W_]+")
# So many products in a row that no new query came from: the shop has no more.
_PATIENCE = 400


def wish(items: Sequence[Item], count: int, known: Iterable[str], rng: random.Random) -> list[Intent]:
    """`count` different English searches of the shop (fewer where it has no more), each with rules that grade it.

    None has all the words of a query in `known`, or has its words among those: of what is known as a judged query,
    the log says nothing.
    """
    taken = [words_of(text) for text in known]
    found: dict[frozenset[str], Intent] = {}
    failures = 0
    while len(found) < count and failures < _PATIENCE:
        item = items[rng.randrange(len(items))]
        made = list(_wishes_of(item))
        intent = made[rng.randrange(len(made))]
        words = words_of(intent.text)
        if words in found or any(words <= each or each <= words for each in taken):
            failures += 1
            continue
        found[words], failures = intent, 0
    return list(found.values())


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case."""
    return frozenset(_WORD.findall(text.casefold()))


def _wishes_of(item: Item) -> Iterator[Intent]:
    kind = _one(item, "kind")
    thing = _WORDS.get(kind, kind.replace("_", " "))
    yield ask("kind", thing, give(3, kind=kind))
    for fact, spell in _TRAITS.items():
        value = _one(item, fact)
        text = spell(value, thing) if value else ""
        if text:
            yield ask(fact, text, _give_exact(kind, fact, value), give(1, kind=kind))
    model = _one(item, "model")
    if model:
        kin = _one(item, "generation") or model
        rules = give(3, kind=kind, model=model), give(2, kind=kind, generation=kin), give(1, fits=model)
        yield ask("model", model, *rules)


def _give_exact(kind: str, fact: str, value: str) -> Rule:
    wanted = {"kind": frozenset({kind}), fact: frozenset({value})}
    return Rule(EXACT, wanted, float("inf"))


def _one(item: Item, fact: str) -> str:
    """The only value of a fact, or nothing."""
    values: Collection[str] = item.facts.get(fact, frozenset())
    if fact == "features":
        values = _FEATURES.intersection(values)
    return min(values, default="") if fact == "features" or len(values) == 1 else ""


def _before(value: str, thing: str) -> str:
    return f"{value} {thing}"


def _fits(value: str, thing: str) -> str:
    named = re.search(r"[A-Za-z]", value) and re.search(r"\d", value)
    return f"{thing} for {value}" if named else ""


def _sized(value: str, thing: str) -> str:
    return f"{thing} {value}" if value.isdigit() else ""


_TRAITS: dict[str, Callable[[str, str], str]] = {
    "brand": _before,
    "color": _before,
    "features": _before,
    "fits": _fits,
    "inches": lambda value, thing: f"{value} inch {thing}",
    "size": _sized,
}
"""Facts that shoppers name beside the thing, and how; a product that is the thing without them is related."""
