"""Finding records seen before in 12 to 24 bytes a record, so that a catalogue of any size can be checked."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from middleware.catalog.prepare_fields import is_missing
from middleware.catalog.prepare_units import normalise_units

# What two records must share to be one product, beside the words of their title.
NEAR_DUPLICATE_FIELDS = ("title_zh", "brand", "category", "price", "description", "short_description", "attributes")
ATTRIBUTE_PREFIX = "attr_"
_WORD = re.compile(r"\w+")


class FingerprintSet:
    """A set of 64-bit fingerprints in one flat array (open addressing, at most two thirds full).

    Two different records of a million share one with a probability of about 3 in 100 million.
    """

    def __init__(self, slots: int = 1024) -> None:
        self._slots = array("Q", bytes(8 * slots))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, fingerprint: int) -> bool:
        """True where `fingerprint` was not there yet; now it is."""
        slot = self._find(self._slots, fingerprint or 1)
        if self._slots[slot]:
            return False
        self._slots[slot] = fingerprint or 1
        self._used += 1
        if self._used * 3 > len(self._slots) * 2:
            self._grow()
        return True

    @staticmethod
    def _find(slots: array[int], fingerprint: int) -> int:
        slot = fingerprint % len(slots)
        while slots[slot] and slots[slot] != fingerprint:
            slot = (slot + 1) % len(slots)
        return slot

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._slots)))
        for fingerprint in self._slots:
            if fingerprint:
                larger[self._find(larger, fingerprint)] = fingerprint
        self._slots = larger


def fingerprint_of(parts: Iterable[str]) -> int:
    """64 bits of the parts, each with its length, so that parts never run into each other."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return int.from_bytes(blake2b(framed.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def near_duplicate_fingerprint(document: dict[str, Any], fields: Iterable[str]) -> int:
    """Equal for records with the same words in their title and the same `fields`.

    Titles agree whatever their case, punctuation, word order and spelling of units; words with digits keep their
    order. "attributes" stands for every attr_* field as well, so colours and sizes stay apart.
    """
    parts = [title_key(str(document.get("title", "")))]
    for field in fields:
        parts.append(f"{field}={_plain(document.get(field))}")
        if field == "attributes":
            names = sorted(name for name in document if name.startswith(ATTRIBUTE_PREFIX))
            parts.extend(f"{name}={_plain(document[name])}" for name in names)
    return fingerprint_of(parts)


def title_key(title: str) -> str:
    """The words of a title without case, punctuation and order; those with digits in their order at the end."""
    folded = normalise_units(unicodedata.normalize("NFKC", title)).casefold()
    words = _WORD.findall(folded)
    numbered = [word for word in words if any(character.isdigit() for character in word)]
    return " ".join(sorted(set(words).difference(numbered)) + numbered)


def _plain(value: Any) -> str:
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, list):
        return "|".join(sorted(_plain(item) for item in value))
    if isinstance(value, dict):
        return "|".join(f"{name}:{_plain(item)}" for name, item in sorted(value.items()))
    return repr(float(value)) if isinstance(value, int | float) else repr(value)
