"""Queries invented from any catalogue's own words, as shoppers might type them: a shop without judgments can start."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from middleware.config import IndexSettings
from middleware.learning.groups.shop_documents import Document
from middleware.learning.invention.augmentation import drop_word
from middleware.learning.invention.fields import CJK_RUN
from middleware.learning.invention.pieces import Catalogue, Pieces, read_catalogue
from middleware.learning.invention.words import STOP_WORDS, has_content

_LOWER = 0.85
_TRIES = 60
_FAILURES = 200
_CJK_CHARS = 2, 6
_ENDS = 0.6
_FIRST = 0.5
_SPACED = 0.5


@dataclass(frozen=True, slots=True)
class Invented:
    """A query, the product it was made of, and how (`kind`); `is_answer`: whether that product answers it.

    `family`: the query that it varies, empty for none.
    """

    text: str
    document: Document
    kind: str
    is_answer: bool = True
    family: str = ""


class Inventor:
    """Invents queries of a catalogue, of which it has read a sample; all chance comes from `rng`."""

    def __init__(self, documents: Sequence[Document], section: IndexSettings, rng: random.Random) -> None:
        self._catalogue: Catalogue = read_catalogue(documents, section)
        self._rng = rng
        self._kinds: dict[str, tuple[int, Callable[[Pieces], Sequence[str] | None]]] = {
            "kind": (14, self._kind),
            "brand and kind": (14, self._brand_kind),
            "trait and kind": (12, self._trait_kind),
            "quantity and kind": (5, self._quantity_kind),
            "title part": (20, self._title_part),
            "model": (14, self._model),
            "brand": (2, self._brand),
            "description": (6, self._description),
            "chinese": (16, self._chinese),
            "mixed": (8, self._mixed),
            "title words": (1, self._title_words),
        }

    def queries(self) -> Iterator[Invented]:
        """Without an end, repeating itself sooner or later; none where no title holds a letter or a digit."""
        usable = [pieces for pieces in self._catalogue.pieces if pieces.words]
        failures = 0
        while usable and failures < _FAILURES:
            invented = self._invent(self._rng.choice(usable))
            failures = failures + 1 if invented is None else 0
            if invented is not None:
                yield invented

    def variant(self, invented: Invented, *, drop: float, swap: float) -> Invented | None:
        """With these chances a word less, or a trait that the product does not have; mostly none."""
        chance = self._rng.random()
        family = invented.family or invented.text
        if chance < drop:
            shorter = drop_word(invented.text, self._rng)
            is_other = shorter != invented.text and has_content(shorter.split())
            return Invented(shorter, invented.document, "word dropped", True, family) if is_other else None
        if chance < drop + swap:
            swapped = self._swapped(invented)
            return Invented(swapped, invented.document, "trait swapped", False, family) if swapped else None
        return None

    def _invent(self, pieces: Pieces) -> Invented | None:
        names = list(self._kinds)
        for name in self._rng.choices(names, [self._kinds[each][0] for each in names], k=_TRIES):
            parts = self._kinds[name][1](pieces)
            text = _once(" ".join(parts)) if parts else ""
            # A lone number or letter is typed by nobody, unless the catalogue has nothing else.
            if len(text) > 1 and not text.isdecimal() and any(map(str.isalnum, text)):
                return Invented(text.lower() if self._rng.random() < _LOWER else text, pieces.document, name)
        return None

    def _swapped(self, invented: Invented) -> str | None:
        """The text with one trait of the product replaced by another value of the same field."""
        pieces = self._catalogue.of(invented.document)
        text = f" {invented.text.casefold()} "
        choices = []
        for value, path in pieces.traits.items():
            others = self._catalogue.other_values(pieces, path)
            if f" {value.casefold()} " in text and others:
                choices.append((value.casefold(), self._rng.choice(others)))
        if not choices:
            return None
        old, new = self._rng.choice(choices)
        return text.replace(f" {old} ", f" {new} ").strip()

    def _some(self, values: Sequence[str]) -> str | None:
        return self._rng.choice(values) if values else None

    def _name(self, pieces: Pieces) -> str | None:
        """What the thing is; mostly the first name that its title gives it."""
        return pieces.kinds[0] if pieces.kinds and self._rng.random() < _FIRST else self._some(pieces.kinds)

    def _kind(self, pieces: Pieces) -> Sequence[str] | None:
        kind = self._name(pieces)
        return [kind] if kind else None

    def _brand_kind(self, pieces: Pieces) -> Sequence[str] | None:
        kind = self._name(pieces)
        if not kind or not pieces.brand:
            return None
        trait = self._some(list(pieces.traits)) if self._rng.random() < 0.2 else None
        return [pieces.brand, *([trait] if trait else []), kind]

    def _trait_kind(self, pieces: Pieces) -> Sequence[str] | None:
        kind, trait = self._name(pieces), self._some(list(pieces.traits))
        if not kind or not trait or kind.casefold() in {value.casefold() for value in pieces.traits}:
            return None
        return [trait, kind] if self._rng.random() < 0.75 else [kind, trait]

    def _quantity_kind(self, pieces: Pieces) -> Sequence[str] | None:
        kind, quantity = self._name(pieces), self._some(pieces.quantities)
        if not kind or not quantity:
            return None
        return [quantity, kind] if self._rng.random() < 0.5 else [kind, quantity]

    def _title_part(self, pieces: Pieces) -> Sequence[str] | None:
        """Two to five words in a row that begin and end where something begins and ends."""
        run = self._some(pieces.runs)
        if run is None:
            return None
        words = run.split()
        size = min(len(words), self._rng.choice((2, 2, 3, 3, 4)))
        start = self._rng.randrange(len(words) - size + 1) if self._rng.random() < _ENDS else 0
        part = self._whole(words, start, start + size)
        if not has_content(part) or (len(part) == 1 and part[0].casefold() not in self._catalogue.words.heads):
            return None
        return [pieces.brand, *part] if pieces.brand and self._rng.random() < 0.25 else part

    def _whole(self, words: Sequence[str], start: int, end: int) -> Sequence[str]:
        """A stretch without empty words, half quantities and half names of things at its ends."""
        while end < len(words) and self._catalogue.words.belongs(words[end - 1], words[end]):
            end += 1
        while start < end and (_is_empty(words[start]) or (start and _is_half(words[start - 1], words[start]))):
            start += 1
        while start < end and (_is_empty(words[end - 1]) or (end < len(words) and _is_half(*words[end - 1 : end + 1]))):
            end -= 1
        return words[start:end]

    def _model(self, pieces: Pieces) -> Sequence[str] | None:
        model = self._some(pieces.models)
        if not model:
            return None
        chance, kind = self._rng.random(), self._name(pieces)
        is_bare = model.isdigit() or len(model) < 4
        brand = [pieces.brand] if pieces.brand and (is_bare or chance < 0.5) else []
        kinds = [kind] if kind and (0.4 < chance < 0.7 or (is_bare and not brand)) else []
        return [*brand, model, *kinds] if not is_bare or brand or kinds else None

    def _brand(self, pieces: Pieces) -> Sequence[str] | None:
        return [pieces.brand] if pieces.brand else None

    def _description(self, pieces: Pieces) -> Sequence[str] | None:
        """Two to four words that say something, of one sentence, in its order."""
        sentence = self._some(pieces.sentences)
        if sentence is None:
            return None
        words = [word for word in sentence.split() if word.casefold() not in STOP_WORDS]
        if len(words) < 3:
            return None
        places = sorted(self._rng.sample(range(len(words)), min(len(words), self._rng.randint(2, 4))))
        chosen = [words[place] for place in places]
        return chosen if has_content(chosen) else None

    def _chinese(self, pieces: Pieces) -> Sequence[str] | None:
        if not pieces.chinese:
            return None
        count = min(len(pieces.chinese_words), self._rng.choice((1, 2, 2, 3)))
        if not count:
            return [self._cut(self._rng.choice(pieces.chinese))]
        places = sorted(self._rng.sample(range(len(pieces.chinese_words)), count))
        space = " " if self._rng.random() < _SPACED else ""
        return [space.join(pieces.chinese_words[place] for place in places)]

    def _mixed(self, pieces: Pieces) -> Sequence[str] | None:
        latin = [word for word in (*pieces.models, pieces.brand) if word and not CJK_RUN.search(word)]
        if not pieces.chinese or not latin:
            return None
        chinese = self._some(pieces.chinese_words) or self._cut(self._rng.choice(pieces.chinese))
        parts = [chinese, self._rng.choice(latin)]
        return parts if self._rng.random() < 0.3 else parts[::-1]

    def _cut(self, run: str) -> str:
        """Two to six characters, from the end more often than not: Chinese names the thing last."""
        size = self._rng.randint(_CJK_CHARS[0], min(_CJK_CHARS[1], len(run)))
        start = len(run) - size if self._rng.random() < _ENDS else self._rng.randrange(len(run) - size + 1)
        return run[start : start + size]

    def _title_words(self, pieces: Pieces) -> Sequence[str] | None:
        """One to three words of a title, in its order: of what any catalogue has."""
        places = sorted(self._rng.sample(range(len(pieces.words)), min(len(pieces.words), self._rng.randint(1, 3))))
        return [pieces.words[place] for place in places]


def _is_empty(word: str) -> bool:
    return word.casefold() in STOP_WORDS or (len(word) == 1 and word.isascii() and not word.isdecimal())


def _is_half(number: str, unit: str) -> bool:
    return number.replace(".", "").replace(",", "").isdecimal() and unit.isalpha()


def _once(text: str) -> str:
    """Without words that repeat."""
    seen: dict[str, str] = {}
    for word in text.split():
        seen.setdefault(word.casefold(), word)
    return " ".join(seen.values())
