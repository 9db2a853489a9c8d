"""Texts as words that can be compared across spellings, as numbers: fast to keep, and to find in many documents."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_FIRST_CJK = re.compile(rf"[{_CJK}]")
_COMPOUND = re.compile(r"[a-z0-9]+(?:[-_/.][a-z0-9]+)*")
_SEPARATORS = re.compile(r"[-_/.]")
_DIGIT = re.compile(r"\d")
_PUNCTUATION = ".,;:()[]\"'"
_LEAST_STEMMED = 4


def comparable(text: str) -> str:
    """Lower case, and one form for what Unicode can write in several, accents dropped."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(mark for mark in spread if not unicodedata.combining(mark)))


def split_words(text: str) -> list[str]:
    """The words of a `comparable` text, in order; of Chinese and Japanese runs the character bigrams.

    Bigrams need no dictionary and find nearly as well as words (Nie, Gao, Zhang and Zhou, 2000).
    """
    if text.isascii():
        return _ASCII_WORD.findall(text)
    words: list[str] = []
    for run in _WORD.findall(text):
        if len(run) > 1 and _FIRST_CJK.match(run):
            words += [run[place : place + 2] for place in range(len(run) - 1)]
        else:
            words.append(run)
    return words


@lru_cache(maxsize=100_000)  # of the words of a catalogue few are used by nearly all of its documents
def word_id(word: str) -> int:
    """The same number for all forms of a word that differ by an English plural, by Harman's S-stemmer (1991).

    64 bits of a hash that is another in every process, so never to be kept.
    """
    return hash(_stem(word))


def word_ids(text: str) -> list[int]:
    """Numbers of the words of a `comparable` text, in order."""
    return [word_id(word) for word in split_words(text)]


def word_set(text: str) -> frozenset[int]:
    """What a text says, whatever the order and the plurals: `phones for gaming` and `gaming phone for` are the same."""
    return frozenset(word_ids(comparable(text)))


def model_tokens(text: str) -> list[str]:
    """The tokens of a `comparable` text that have digits and letters, without hyphens and the like: wh-1000xm4."""
    tokens = (_SEPARATORS.sub("", compound) for compound in _COMPOUND.findall(text))
    return [token for token in tokens if _is_mixed(token)]


def stated_models(text: str) -> list[str]:
    """What of a document's text may answer a query's `model_tokens`: those, their parts, and neighbours like s 21."""
    chunks, stated = text.split(), list[str]()
    for place, chunk in enumerate(chunks):
        if chunk.isalpha() or not _DIGIT.search(chunk):
            continue
        for compound in _COMPOUND.findall(chunk):
            parts = _SEPARATORS.split(compound)
            stated += filter(_is_mixed, ("".join(parts), *parts))
        number = chunk.strip(_PUNCTUATION)
        if number.isdigit():
            before, behind = chunks[max(place - 1, 0) : place], chunks[place + 1 : place + 2]
            stated += [name + number for each in before if (name := each.strip(_PUNCTUATION)).isalpha()]
            stated += [number + name for each in behind if (name := each.strip(_PUNCTUATION)).isalpha()]
    return stated


def _is_mixed(token: str) -> bool:
    return not (token.isdigit() or token.isalpha())


def _stem(word: str) -> str:
    if len(word) < _LEAST_STEMMED or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if not word.endswith(("us", "ss")) else word
