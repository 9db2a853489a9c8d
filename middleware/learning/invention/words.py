"""The words of a catalogue: which name kinds of things, which are codes, traits or brands; told by counts alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

STOP_WORDS = frozenset(
    {"a", "an", "and", "the", "with", "of", "in", "for", "to", "or", "by", "from", "your", "on", "at", "as", "is", "up"}
    | {"fits", "compatible", "designed", "pack", "set", "via", "per", "all", "new", "incl", "plus", "non", "no", "not"}
    | {"mit", "für", "und", "der", "die", "das", "von", "pour", "avec", "et", "de", "la", "le", "les", "des", "du"}
    | {"para", "con", "y", "el", "los", "las", "del", "per", "di", "e", "il", "da"}
)

_BREAK = re.compile(r"(?<!\d)[/,]|[/,](?!\d)|[;:()\[\]|•·–—*\"“”]+|(?<!\w)-+|-+(?!\w)|\.(?=\s|$)|\\n")
_EDGES = "'’`´!?.+&#®™©°²-_"
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’.&-](?=\w))*")
_QUANTITY = re.compile(r"\d+(?:[.,]\d+)?(?:[^\W\d_]{1,6}|[\"'%]|x\d+.*)", re.IGNORECASE)
_NUMERAL = re.compile(r"[ivx]+")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_])[\w][\w./-]{2,}")
# Shares that tell names of things from other words; set on Chorus' titles, where black, gray, premium and 700 MB fall
# out, and cable, case, processor, headphones and laptop stay.
_LEAST = 0.0008
_MOST_FOLLOWED, _MOST_FOLLOWED_ALONE = 0.7, 0.6
_FOLLOWED_OF_SURE = 0.35
_LEAST_ALONE = 0.08
_MOST_TRAIT = 0.4
_MOST_COUNTED = 0.4
_MOST_LATE, _MOST_LATE_OF_TRAITS = 0.64, 0.6
_FIRM = 0.6


@dataclass(frozen=True, slots=True)
class Listing:
    """One document as the counts see it: its titles, its brand and the single values of its traits, lower-case."""

    titles: Sequence[str]
    brand: str
    traits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Words:
    """What was counted. `heads`: words that name a thing, and the words that may or must stand before each."""

    titles: frozenset[str]
    brands: frozenset[str]
    rare: frozenset[str]
    heads: frozenset[str]
    alone: frozenset[str]
    before: Mapping[str, frozenset[str]] = field(default_factory=dict)
    firm: Mapping[str, str] = field(default_factory=dict)

    def belongs(self, word: str, following: str) -> bool:
        """Whether a word says little without the one that follows: "toner" before "cartridge"."""
        return word.casefold() in self.before.get(following.casefold(), ())

    def kinds(self, title: str) -> list[str]:
        """The names of things in a title: "toner cartridge", "laptop bag", and "bag" where that is said alone, too."""
        found: dict[str, None] = {}
        for run in runs(title):
            words = [word.casefold() for word in run]
            for place, word in enumerate(words):
                if word in self.heads and (place + 1 == len(words) or words[place + 1] not in self.heads):
                    found |= dict.fromkeys(self._phrases(words, place))
        return list(found)

    def _phrases(self, words: Sequence[str], place: int) -> Iterator[str]:
        start = place
        while start and self.firm.get(words[start]) == words[start - 1]:
            start -= 1
        if start < place or words[place] in self.alone:
            yield " ".join(words[start : place + 1])
        if start and words[start - 1] in self.before.get(words[start], ()):
            yield " ".join(words[start - 1 : place + 1])


def runs(text: str) -> Iterator[list[str]]:
    """Tokens between punctuation marks, as written; marks at the edges of a token are left out."""
    for part in _BREAK.split(text):
        tokens = [token.strip(_EDGES) for token in part.split()]
        tokens = [token for token in tokens if token]
        if tokens:
            yield tokens


def is_word(token: str) -> bool:
    """Letters alone."""
    return _WORD.fullmatch(token) is not None


def is_quantity(token: str) -> bool:
    """A number with a unit: 500GB, 15.6", 1920x1080."""
    return _QUANTITY.fullmatch(token) is not None


def is_code(token: str) -> bool:
    """Letters and digits mixed as in a model number, and not a number with its unit."""
    return _CODE.fullmatch(token) is not None and not is_quantity(token)


def count_words(listings: Sequence[Listing]) -> Words:
    """Read all titles of a catalogue.

    A word names a thing where it mostly ends what is said (before a mark, a number, a trait or the title's end), is
    shared by several brands, is no brand and no unit after numbers, and does not mostly come after the name of another
    thing, as colours do, or, where it is often a trait of the product, after one or after another trait.
    """
    tally = _Tally()
    for listing in listings:
        tally.add(listing)
    least = max(2, round(_LEAST * len(listings)))
    tally.count_late(listings, frozenset(word for word in tally.seen if tally.is_sure(word, least)))
    heads = frozenset(word for word in tally.seen if tally.is_head(word, least))
    before: defaultdict[str, set[str]] = defaultdict(set)
    firm: dict[str, str] = {}
    for (first, second), count in tally.pairs.items():
        if count >= least and not tally.is_trait(first) and not tally.is_brand(first):
            before[second].add(first)
            if count >= _FIRM * tally.seen[second]:
                firm[second] = first
    return Words(
        titles=frozenset(word for word, count in tally.anywhere.items() if count >= 2),
        brands=frozenset(filter(tally.is_brand, tally.brands)),
        rare=frozenset(word for word, count in tally.anywhere.items() if count <= max(3, least // 2)),
        heads=heads,
        alone=frozenset(filter(tally.is_alone, heads)),
        before={word: frozenset(words) for word, words in before.items()},
        firm=firm,
    )


class _Tally:
    """Of each word: in how many listings it stands, and how."""

    def __init__(self) -> None:
        self.anywhere: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.brands: Counter[str] = Counter()
        self._followed: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._traits: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._listed: Counter[str] = Counter()
        self._brands_of: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, listing: Listing) -> None:
        own = frozenset(listing.brand.split())
        self.brands.update(own - STOP_WORDS)
        said = [[token.casefold() for token in run] for title in listing.titles for run in runs(title)]
        self.anywhere.update({token for run in said for token in run})
        seen: set[str] = set()
        before = ""
        for run in said:
            for place, token in enumerate(run):
                if is_word(token) and token not in own and token not in STOP_WORDS and token not in seen:
                    seen.add(token)
                    self._count(run, place, own, listing)
                    self._listed[token] += before in listing.traits
                before = token

    def _count(self, run: Sequence[str], place: int, own: frozenset[str], listing: Listing) -> None:
        token = run[place]
        self.seen[token] += 1
        self._brands_of[token].add(listing.brand)
        self._traits[token] += token in listing.traits
        following = run[place + 1] if place + 1 < len(run) else ""
        goes_on = is_word(following) and following not in STOP_WORDS and following not in listing.traits
        self._followed[token] += goes_on
        previous = run[place - 1] if place else ""
        if previous[:1].isdigit():
            self._counted[token] += 1
        elif len(previous) > 1 and is_word(previous) and previous not in own and previous not in STOP_WORDS:
            self.pairs[previous, token] += 1
        elif not goes_on:
            self.alone[token] += 1

    def count_late(self, listings: Sequence[Listing], sure: frozenset[str]) -> None:
        """Count the words that stand behind a sure name of a thing, in the first title of each listing."""
        for listing in listings:
            tokens = [token.casefold() for title in listing.titles[:1] for run in runs(title) for token in run]
            first = next((place for place, token in enumerate(tokens) if token in sure), len(tokens))
            self._late.update(set(tokens[first + 1 :]) - set(tokens[: first + 1]))

    def is_brand(self, word: str) -> bool:
        """Part of a brand's name, and said of its own products more than of others: not the case of Case Logic."""
        return self.brands[word] > self.seen[word]

    def is_trait(self, word: str) -> bool:
        return self._traits[word] > _MOST_TRAIT * self.seen[word]

    def is_sure(self, word: str, least: int) -> bool:
        return self._may_name(word, least, _FOLLOWED_OF_SURE) and not self.is_trait(word)

    def is_head(self, word: str, least: int) -> bool:
        late, most = self._late[word], _MOST_LATE
        if self.is_trait(word):
            late, most = late + self._listed[word], _MOST_LATE_OF_TRAITS
        return self._may_name(word, least, _MOST_FOLLOWED) and late <= most * self.seen[word]

    def is_alone(self, word: str) -> bool:
        """Whether it is said without a word before or after it, often enough to be understood so."""
        is_last = self._followed[word] <= _MOST_FOLLOWED_ALONE * self.seen[word]
        return is_last and self.alone[word] >= _LEAST_ALONE * self.seen[word]

    def _may_name(self, word: str, least: int, most_followed: float) -> bool:
        is_name = len(word) > 1 and not _NUMERAL.fullmatch(word) and not self.is_brand(word)
        is_shared = self.seen[word] >= least and len(self._brands_of[word]) >= min(3, len(self.brands))
        is_last = self._followed[word] <= most_followed * self.seen[word]
        return is_name and is_shared and is_last and self._counted[word] <= _MOST_COUNTED * self.seen[word]


def has_content(words: Iterable[str]) -> bool:
    """Whether any word says what is meant: three letters or more, and no stop word."""
    return any(len(word) > 2 and is_word(word) and word.casefold() not in STOP_WORDS for word in words)
