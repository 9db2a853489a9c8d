"""Who bought what, spilled to disk by user, so that millions of users are counted in the memory of a few."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARTS = 64
_WAITING = 4096
MOST_OF_ONE_USER = 200
"""Newest acts that count of one user: pairs grow with the square, and who buys more is a robot or a retailer.

The interaction cut of Schelter, Boden and Markl, "Scalable Similarity-Based Neighborhood Methods with MapReduce"
(RecSys 2012).
"""
ACT = np.dtype([("user", "<u8"), ("moment", "<f8"), ("product", "<i4")])
"""One act: a digest of the user, seconds since 1970, the product's number."""

Acts = NDArray[np.void]


class Spool:
    """Acts in PARTS files of a folder, all of one user in one file."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / f"acts-{part}" for part in range(PARTS)]
        self._waiting: list[list[tuple[int, float, int]]] = [[] for _ in range(PARTS)]

    def add(self, user: str, moment_s: float, product: int) -> None:
        """`user`: a hash; 64 bits of it are kept, which two of a million users share once in 37 million shops."""
        digest = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        waiting = self._waiting[number % PARTS]
        waiting.append((number, moment_s, product))
        if len(waiting) >= _WAITING:
            self._write(number % PARTS)

    def parts(self) -> Iterator[Acts]:
        """The acts of each part, by user and then by time."""
        for part, path in enumerate(self._paths):
            self._write(part)
            if path.exists():
                acts = np.fromfile(path, dtype=ACT)
                yield acts[np.lexsort((acts["moment"], acts["user"]))]

    def _write(self, part: int) -> None:
        if self._waiting[part]:
            with self._paths[part].open("ab") as file:
                np.array(self._waiting[part], dtype=ACT).tofile(file)
            self._waiting[part] = []


def users_of(acts: Acts) -> Iterator[Acts]:
    """The acts of each user, of acts sorted by user, oldest first."""
    if len(acts):
        borders = np.flatnonzero(np.diff(acts["user"])) + 1
        yield from np.split(acts, borders)


def pairs_of(acts: Acts, within_s: float) -> NDArray[np.int64]:
    """The ordered pairs (one, other) of products that one user bought within `within_s`, each once, shape (p, 2)."""
    acts = acts[-MOST_OF_ONE_USER:]
    first, second = np.triu_indices(len(acts), 1)
    near = acts["moment"][second] - acts["moment"][first] <= within_s
    one, other = acts["product"][first[near]], acts["product"][second[near]]
    pairs = np.stack([np.concatenate([one, other]), np.concatenate([other, one])], axis=1).astype(np.int64)
    return np.asarray(np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0))
