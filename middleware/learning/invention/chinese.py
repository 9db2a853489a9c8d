"""Words of titles that are written without spaces, found by counts: what may follow and precede them is open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

_SHORTEST, _LONGEST = 2, 6


def count_variety(runs: Iterable[str]) -> Mapping[str, int]:
    """Of each stretch of 2 to 6 characters its accessor variety: the fewer of the different characters beside it.

    The start or end of a run counts each time. A part of a word has always the same neighbour, a word has many (Feng,
    Chen, Deng, Zheng, Accessor Variety Criteria for Chinese Word Extraction, Computational Linguistics 30:1, 2004).
    """
    left: defaultdict[str, set[str]] = defaultdict(set)
    right: defaultdict[str, set[str]] = defaultdict(set)
    edges: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for run in runs:
        for start in range(len(run)):
            for end in range(start + _SHORTEST, min(start + _LONGEST, len(run)) + 1):
                part = run[start:end]
                edges[part][0] += start == 0
                edges[part][1] += end == len(run)
                if start:
                    left[part].add(run[start - 1])
                if end < len(run):
                    right[part].add(run[end])
    return {
        part: min(before + len(left.get(part, ())), after + len(right.get(part, ())))
        for part, (before, after) in edges.items()
    }


def words_of(run: str, variety: Mapping[str, int], least: int) -> list[str]:
    """The words of a run by greedy choice: at each place the stretch with most variety times length, if `least`."""
    found, at = [], 0
    while at < len(run) - 1:
        parts = [run[at:end] for end in range(at + _SHORTEST, min(at + _LONGEST, len(run)) + 1)]
        best = max(parts, key=lambda part: (variety.get(part, 0) >= least, variety.get(part, 0) * (len(part) - 1)))
        if variety.get(best, 0) >= least:
            found.append(best)
            at += len(best)
        else:
            at += 1
    return found
