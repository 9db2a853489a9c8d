"""What a shopper wants with a query, as rules over the hidden facts, so that judgments are complete and consistent.

How the grades are meant, for every query alike: 3 is exactly what was asked for; 2 a good substitute: a sibling or the
direct successor of the model, or the thing with one wish missed; 1 something related: a model one step further off, an
accessory of the very device that the query names (or the device, where it names an accessory); all else is 0, also what
shares every word with the query. Rules tell truth about products; no rule was written with a ranking in view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from middleware.catalog.demo.shelf import Item


@dataclass(frozen=True, slots=True)
class Rule:
    """Products that have one of the wanted values in every named fact get `grade`."""

    grade: int
    wanted: Mapping[str, frozenset[str]]
    max_price: float

    def holds(self, item: Item) -> bool:
        """Whether the product meets all wishes of the rule."""
        # a plain loop: this runs half a million times for one catalogue
        for fact, values in self.wanted.items():
            if values.isdisjoint(item.facts.get(fact, ())):
                return False
        return bool(item.document["price"] <= self.max_price)


@dataclass(frozen=True, slots=True)
class Intent:
    """A query and its rules, the most particular first: the first that holds gives the grade."""

    text: str
    language: str
    kind: str
    rules: tuple[Rule, ...]

    def grade(self, item: Item) -> int:
        """0 to 3; products that no rule holds for get 0."""
        for rule in self.rules:
            if rule.holds(item):
                return rule.grade
        return 0


def ask(kind: str, text: str, *rules: Rule) -> Intent:
    """An intent whose language is read off its text: en, zh, or mixed where a Latin word stands among Chinese ones."""
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
    latin = any(letter.isascii() and letter.isalpha() for letter in text)
    return Intent(text, "mixed" if chinese and latin else "zh" if chinese else "en", kind, rules)


def give(grade: int, max_price: float = float("inf"), **facts: str) -> Rule:
    """A rule; a fact's value may hold several, divided by `|`, any of which will do."""
    return Rule(grade, {name: frozenset(value.split("|")) for name, value in facts.items()}, max_price)
