"""Documents cut into the pieces that shoppers type: what it is, brand, model, traits, quantities, Chinese words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from middleware.config import IndexSettings
from middleware.learning.groups.shop_documents import Document
from middleware.learning.invention.chinese import count_variety, words_of
from middleware.learning.invention.fields import (
    CJK,
    CJK_RUN,
    Leaves,
    Roles,
    guess_roles,
    read_leaves,
    split_values,
)
from middleware.learning.invention.words import (
    STOP_WORDS,
    Listing,
    Words,
    count_words,
    has_content,
    is_code,
    is_quantity,
    runs,
)

_MEASURED = 2000
_TITLE_WORDS = 10
_OTHER_VALUES = 12
_KINDS = 3
_LEAST_VARIETY = 3
_SENTENCE = re.compile(r"(?<=[.;!?。；！？])\s*")
_CATEGORY = re.compile(r"\s*(?:[&>/|,]|\band\b)\s*")


@dataclass(frozen=True, slots=True)
class Pieces:
    """One document; `words`: its title's first, `runs`: stretches between marks, `traits`: values and their field."""

    document: Document
    words: tuple[str, ...]
    runs: tuple[str, ...]
    kinds: tuple[str, ...]
    brand: str
    models: tuple[str, ...]
    traits: Mapping[str, str]
    quantities: tuple[str, ...]
    sentences: tuple[str, ...]
    chinese: tuple[str, ...]
    chinese_words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was counted over the whole catalogue."""

    roles: Roles
    words: Words
    kinds: Mapping[str, int]
    variety: Mapping[str, int]


class Catalogue:
    """The pieces of many documents, and the words that they share."""

    def __init__(self, pieces: Sequence[Pieces], words: Words) -> None:
        self.pieces, self.words = pieces, words
        self._by_id = {each.document.document_id: each for each in pieces}
        self._values: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for piece in pieces:
            for value, path in piece.traits.items():
                self._values[path, _first(piece.kinds)][value.casefold()] += 1

    def of(self, document: Document) -> Pieces:
        """The pieces of a document that was read."""
        return self._by_id[document.document_id]

    def other_values(self, pieces: Pieces, path: str) -> list[str]:
        """Other values of a trait among things of the same kind, the most frequent first, lower-case."""
        own = {value.casefold() for value in pieces.traits} | {word.casefold() for word in pieces.words}
        values = self._values[path, _first(pieces.kinds)].most_common(_OTHER_VALUES)
        return [value for value, _ in values if not set(value.split()) <= own]


def _first(values: Sequence[str]) -> str:
    return values[0].casefold() if values else ""


def read_catalogue(documents: Sequence[Document], section: IndexSettings) -> Catalogue:
    """Cut all documents, by the roles that their fields seem to have and the words that their titles share."""
    leaves = [read_leaves(document.source) for document in documents]
    roles = guess_roles(leaves[:_MEASURED], section)
    listings = [_listing(each, roles) for each in leaves]
    words = count_words(listings)
    kinds = Counter(kind for listing in listings for title in listing.titles[:1] for kind in words.kinds(title))
    variety = count_variety(run for listing in listings for title in listing.titles for run in CJK_RUN.findall(title))
    known = _Known(roles, words, kinds, variety)
    return Catalogue([_cut(each, read, known) for each, read in zip(documents, leaves, strict=True)], words)


def _listing(leaves: Leaves, roles: Roles) -> Listing:
    titles = [text for path in roles.titles for text in leaves.get(path, ())[:1]]
    traits = [value for path in roles.traits for value in split_values(leaves.get(path, ()))]
    return Listing(titles, _brand(leaves, roles).casefold(), frozenset(" ".join(traits).casefold().split()))


def _brand(leaves: Leaves, roles: Roles) -> str:
    values = leaves.get(roles.brand, ()) if roles.brand else ()
    return values[0] if values else ""


def _cut(document: Document, leaves: Leaves, known: _Known) -> Pieces:
    roles = known.roles
    titles = [text for path in roles.titles for text in leaves.get(path, ())[:1]]
    brand = _brand(leaves, roles)
    spoken = [title for title in titles if not CJK.search(title)] or [CJK.sub(" ", title) for title in titles]
    parts = [run for title in spoken[:1] for run in runs(_without(title, brand))]
    tokens = [token for run in parts for token in run]
    quantities = [token for token in tokens if is_quantity(token)]
    quantities += [f"{a} {b}" for run in parts for a, b in pairwise(run) if a.isdecimal() and b.isalpha()]
    traits = _traits(leaves, roles, known.words)
    said = {value.casefold() for value in traits}
    return Pieces(
        document,
        words=_title_words(titles),
        runs=tuple(" ".join(run) for run in parts if has_content(run)),
        kinds=tuple(sorted(_kinds(spoken, leaves, known), key=lambda kind: kind.casefold() in said)),
        brand=brand,
        models=_models(tokens, leaves, roles, known.words),
        traits=traits,
        quantities=tuple(quantities),
        sentences=_sentences(leaves, roles),
        chinese=tuple(dict.fromkeys(run for title in titles for run in CJK_RUN.findall(title))),
        chinese_words=tuple(dict.fromkeys(word for each in titles for word in _chinese_words(each, known.variety))),
    )


def _chinese_words(title: str, variety: Mapping[str, int]) -> Iterator[str]:
    for run in CJK_RUN.finditer(title):
        words = words_of(run[0], variety, _LEAST_VARIETY)
        # What follows a number at once is its unit.
        is_counted = title[: run.start()][-1:].isdigit() and words and run[0].startswith(words[0])
        yield from words[1:] if is_counted else words


def _title_words(titles: Sequence[str]) -> tuple[str, ...]:
    words = [word for title in titles[:1] for word in title.split()[:_TITLE_WORDS]]
    return tuple(word for word in words if any(map(str.isalnum, word)) and not CJK_RUN.search(word)) or tuple(
        run[:6] for title in titles for run in CJK_RUN.findall(title)
    )


def _without(title: str, brand: str) -> str:
    is_first = brand and title.casefold().startswith(f"{brand.casefold()} ")
    return title[len(brand) :] if is_first else title


def _kinds(titles: Sequence[str], leaves: Leaves, known: _Known) -> tuple[str, ...]:
    """Names of the thing: the category's, and the most frequent of those in the first title that has any."""
    category = leaves.get(known.roles.category, ()) if known.roles.category else ()
    named = [part for text in category for part in _CATEGORY.split(text) if part and not CJK.search(part)]
    for title in titles:
        found = sorted(known.words.kinds(title), key=lambda kind: -known.kinds.get(kind, 0))
        if found:
            return tuple(dict.fromkeys([*named, *found[:_KINDS]]))
    return tuple(named)


def _models(tokens: Sequence[str], leaves: Leaves, roles: Roles, words: Words) -> tuple[str, ...]:
    fields = [text for path in roles.models for text in leaves.get(path, ())]
    short = [text for text in fields if len(text.split()) <= 3 and any(map(str.isdigit, text))]
    short = [text for text in short if not any(map(is_quantity, text.split())) and text.casefold() not in words.heads]
    codes = [token for token in tokens if is_code(token) and token.casefold() in words.rare]
    return tuple(dict.fromkeys([*short, *codes]))


def _traits(leaves: Leaves, roles: Roles, words: Words) -> dict[str, str]:
    """Values whose words also stand in titles of the catalogue: those are what people call things by."""
    found = {}
    for path in roles.traits:
        for value in split_values(leaves.get(path, ())):
            parts = [part.casefold() for part in value.split()]
            is_said = all(part in words.titles for part in parts) and len(parts) <= 3
            if is_said and has_content(parts) and not words.brands & set(parts) and not CJK.search(value):
                found[value] = path
    return found


def _sentences(leaves: Leaves, roles: Roles) -> tuple[str, ...]:
    texts = [text for path in roles.descriptions for text in leaves.get(path, ())]
    parts = [part for text in texts for part in _SENTENCE.split(text) if not CJK.search(part)]
    said = [" ".join(token for run in runs(part) for token in run) for part in parts]
    return tuple(part for part in said if len(set(part.casefold().split()) - STOP_WORDS) >= 3)
