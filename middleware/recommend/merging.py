"""Candidates of several sources as one list: what many of them rank high comes first.

Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): the sum of 1 / (60 + rank) over the lists. Ranks
alone count, since a cosine, a likelihood ratio and a share of users have no scale in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

RANK_CONSTANT = 60
"""Of the paper, where it was found best on four collections and hardly mattered."""


def merge_by_rank(lists: Iterable[Sequence[str]], weights: Iterable[float] | None = None) -> dict[str, float]:
    """id -> score, best first; equal ones in the order in which the lists first name them.

    `weights`: of each list, what its share of the sum is multiplied by; default: 1.
    """
    scores: dict[str, float] = {}
    for ranked, weight in zip(lists, repeat(1.0) if weights is None else weights, strict=False):
        for rank, name in enumerate(dict.fromkeys(ranked), start=1):
            scores[name] = scores.get(name, 0.0) + weight / (RANK_CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def add_up(weighted: Iterable[Mapping[str, float]]) -> list[str]:
    """The names of several maps name -> weight, by the sum of their weights, greatest first."""
    sums: dict[str, float] = {}
    for weights in weighted:
        for name, weight in weights.items():
            sums[name] = sums.get(name, 0.0) + weight
    return sorted(sums, key=lambda name: -sums[name])
