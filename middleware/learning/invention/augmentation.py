"""Queries as they are typed in a hurry: misspelt, a word short, in other words; so that a model is not thrown by it."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from middleware.errors import ConfigError
from middleware.learning.groups.group import Group

Synonyms = Mapping[str, Sequence[str]]
"""A word or several, lower-case -> what may stand for it."""

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEAST_LETTERS = 4
_MOST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Shares of the queries of which a variant is added: misspelt, with a synonym; the targets stay.

    Of invented queries alone: `drop`, one word short, and `swap`, another value of the same trait, so that the product
    it was made of is a near miss. Both mean something else, so that targets are made anew.
    """

    typo: float = 0.1
    synonym: float = 0.2
    drop: float = 0.05
    swap: float = 0.08


def augment(
    groups: Sequence[Group], augmentation: Augmentation, synonyms: Synonyms, rng: random.Random
) -> Iterator[Group]:
    """Variants of some of the `groups`, in the same family."""
    for group in groups:
        if rng.random() < augmentation.typo:
            yield from _variant(group, misspell(group.query_text, rng))
        if synonyms and rng.random() < augmentation.synonym:
            yield from _variant(group, with_synonym(group.query_text, synonyms, rng))


def _variant(group: Group, query_text: str) -> Iterator[Group]:
    if query_text != group.query_text:
        yield replace(group, query_text=query_text, family=group.family or group.query_text)


def misspell(query_text: str, rng: random.Random) -> str:
    """One slip in one word of four letters or more: a letter left out, doubled, swapped with the next, or hit beside.

    The first letter stays, as it mostly does; the query itself where no word is long enough.
    """
    words = query_text.split()
    long = [place for place, word in enumerate(words) if len(word) >= _LEAST_LETTERS and _is_typed(word)]
    if not long:
        return query_text
    place = rng.choice(long)
    word = words[place]
    at = rng.randint(1, len(word) - 2)
    slips = [word[:at] + word[at + 1 :], word[: at + 1] + word[at:]]
    if word[at] != word[at + 1]:
        slips.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    slips += [word[:at] + rng.choice(near) + word[at + 1 :] for near in [neighbours(word[at])] if near]
    words[place] = rng.choice(slips)
    return " ".join(words)


def _is_typed(word: str) -> bool:
    # Letters with cases are typed one by one; Chinese and Japanese are chosen from a list.
    return word.isalpha() and word.lower() != word.upper()


def neighbours(letter: str) -> str:
    """The letters around one on a QWERTY keyboard; empty for a letter that is not on it."""
    for number, row in enumerate(_ROWS):
        at = row.find(letter.lower())
        if at >= 0:
            beside = row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            below = _ROWS[number + 1][max(0, at - 1) : at + 1] if number + 1 < len(_ROWS) else ""
            above = _ROWS[number - 1][at : at + 2] if number > 1 else ""
            return beside + above + below
    return ""


def drop_word(query_text: str, rng: random.Random) -> str:
    """The query without one of its words; the query itself where it has one."""
    words = query_text.split()
    if len(words) > 1:
        del words[rng.randrange(len(words))]
    return " ".join(words)


def with_synonym(query_text: str, synonyms: Synonyms, rng: random.Random) -> str:
    """One word, or up to three in a row, replaced by a synonym; the query itself where none is known."""
    words = query_text.split()
    found = []
    for start in range(len(words)):
        for end in range(start + 1, min(start + _MOST_WORDS, len(words)) + 1):
            others = synonyms.get(" ".join(words[start:end]).casefold(), ())
            found += [[*words[:start], other, *words[end:]] for other in others]
    return " ".join(rng.choice(found)) if found else query_text


def read_synonyms(path: Path) -> dict[str, list[str]]:
    """Rules as Elasticsearch's synonym files hold them: `a, b, c` (each for each) and `a, b => c` (c for a and b).

    Raises ConfigError for a file that cannot be read or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError("synonyms", path, "give a text file with lines such as: laptop, notebook") from error
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        left, arrow, right = line.partition("#")[0].partition("=>")
        sources = _terms(left)
        for source in sources:
            others = _terms(right) if arrow else sources
            found[source] += [other for other in others if other not in (source, *found[source])]
    known = {source: others for source, others in found.items() if others}
    if not known:
        raise ConfigError("synonyms", path, "give a text file with lines such as: laptop, notebook")
    return known


def _terms(text: str) -> list[str]:
    return [" ".join(term.split()).casefold() for term in re.split(r"\s*,\s*", text) if term.strip()]
