"""A product cut into the pieces that shoppers type: what it is, model, brand, traits, what it fits, Chinese words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CJK = re.compile(r"[\u3400-\u9fff]")
STOP_WORDS = frozenset(
    {"a", "an", "and", "the", "with", "of", "in", "for", "to", "or", "by", "from", "your", "most"}
    | {"fits", "compatible", "designed", "pack", "set"}
)

_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")
_CHINESE_RUN = re.compile(r"[\u3400-\u9fff]{2,}")
# What follows names the device an accessory is made for, not the accessory.
_MADE_FOR = re.compile(r"\b(?:for|fits|compatible with|designed for|replacement for)\b|[(,/]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Product:
    """What shoppers can see of a product, cut into pieces that they might type."""

    product_id: str
    document: Mapping[str, Any]
    category: str
    brand: str
    head: tuple[str, ...]
    model: str
    fits: tuple[str, ...]
    chinese: tuple[str, ...]
    traits: tuple[str, ...]
    haystack: str

    def mentions(self, term: str) -> bool:
        """Whether the term (lower case, as `normalise` leaves it) stands somewhere in the product's texts."""
        return (term if CJK.search(term) else f" {term} ") in self.haystack


def normalise(text: str) -> str:
    """Lower-case words without plural s, Chinese characters apart: the form in which terms are compared."""
    return " ".join(_singular(word) for word in _WORD.findall(text.lower()))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def read_product(product_id: str, document: Mapping[str, Any]) -> Product:
    """The pieces of one product document (fields title, title_zh, brand, category, attributes, colors, ...)."""
    attributes = {entry["name"]: str(entry["value"]) for entry in document.get("attributes", ())}
    title, brand = str(document["title"]), str(document.get("brand", ""))
    head = _MADE_FOR.split(title.removeprefix(brand).strip())[0]
    traits = [value for name, value in attributes.items() if name not in ("model", "compatible with")]
    seen = [title, document.get("title_zh", ""), brand, document["category"], document.get("category_zh", "")]
    seen += [document.get("description", ""), document.get("description_zh", "")]
    chinese_title = re.split(r"适用|兼容", str(document.get("title_zh", "")))
    return Product(
        product_id,
        document,
        category=str(document["category"]),
        brand=brand,
        head=tuple(word for word in head.split() if normalise(word) and word.lower() not in STOP_WORDS),
        model=attributes.get("model", ""),
        fits=tuple(part.strip() for part in attributes.get("compatible with", "").split(",") if part.strip()),
        chinese=tuple(_CHINESE_RUN.findall(" ".join(chinese_title))),
        traits=(*document.get("colors", ()), *traits),
        haystack=_haystack(" | ".join([*map(str, seen), *attributes.values(), *document.get("colors", ())])),
    )


def _haystack(text: str) -> str:
    # Twice: with Chinese characters joined, as terms hold them, and as spaced words.
    return f" {normalise(text)} | {''.join(CJK.findall(text))} "


def split_terms(words: Iterable[str]) -> tuple[str, ...]:
    """The terms, each once, that a product must mention to answer a wish for `words`."""
    terms: list[str] = []
    for word in words:
        terms += [word] if CJK.search(word) else normalise(word).split()
    return tuple(dict.fromkeys(term for term in terms if term not in STOP_WORDS))
