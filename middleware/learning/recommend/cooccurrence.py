"""Which products are bought together: counted in users, so that no pair tells of fewer than may be known.

Two passes over files: users to pairs, spilled by the pair's first product; then each file's pairs counted and scored.
Each pass holds a 64th of its data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from middleware.learning.recommend.baskets import PARTS, Spool, pairs_of, users_of
from middleware.recommend.association import log_likelihood_ratio

_WAITING_PAIRS = 1 << 18


@dataclass(frozen=True, slots=True)
class Companions:
    """What goes with `product`, surest first: numbers of products, their scores, and the users who bought both."""

    product: int
    others: NDArray[np.int64]
    scores: NDArray[np.float64]
    users: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counting:
    """Pairs on disk, with how many users there are (`users`) and how many bought each product, shape (n,)."""

    users: int
    buyers: NDArray[np.int64]
    pairs: tuple[Path, ...]

    def companions(self, least_users: int, most: int) -> Iterator[Companions]:
        """Of each product that has any the `most` surest; pairs of fewer than `least_users` users are left out.

        What goes together no more than by chance does not count as going together.
        """
        for path in self.pairs:
            if path.exists():
                yield from self._of_part(np.fromfile(path, dtype=np.int64), least_users, most)

    def _of_part(self, keys: NDArray[np.int64], least_users: int, most: int) -> Iterator[Companions]:
        found, met = np.unique(keys, return_counts=True)
        kept = met >= least_users
        met = met[kept].astype(np.int64)
        one, other = found[kept] >> 32, found[kept] & 0xFFFFFFFF
        scores = log_likelihood_ratio(met, self.buyers[one], self.buyers[other], max(self.users, 1))
        positive = scores > 0
        one, other, met, scores = one[positive], other[positive], met[positive], scores[positive]
        order = np.lexsort((other, -scores, one))
        borders = np.flatnonzero(np.diff(one[order])) + 1
        for group in np.split(order, borders):
            if len(group):
                best = group[:most]
                yield Companions(int(one[best[0]]), other[best], scores[best], met[best])


def count_pairs(spool: Spool, products: int, folder: Path, within_s: float) -> Counting:
    """Count the acts of a spool on `products` products, numbered from 0; pairs are written into the folder."""
    paths = tuple(folder / f"pairs-{part}" for part in range(PARTS))
    buyers, users, waiting, held = np.zeros(products, dtype=np.int64), 0, [], 0
    for acts in spool.parts():
        for of_user in users_of(acts):
            users += 1
            buyers[np.unique(of_user["product"])] += 1
            waiting.append(pairs_of(of_user, within_s))
            held += len(waiting[-1])
            if held >= _WAITING_PAIRS:
                _spill(waiting, paths)
                waiting, held = [], 0
    _spill(waiting, paths)
    return Counting(users, buyers, paths)


def _spill(waiting: list[NDArray[np.int64]], paths: tuple[Path, ...]) -> None:
    """Append pairs, 8 bytes each, to the file of their first product."""
    if not waiting:
        return
    pairs = np.concatenate(waiting)
    parts = pairs[:, 0] % PARTS
    keys = (pairs[:, 0] << 32) | pairs[:, 1]
    for part in np.unique(parts).tolist():
        with paths[part].open("ab") as file:
            keys[parts == part].tofile(file)
