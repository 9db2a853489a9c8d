"""Pairs of like length side by side as arrays, in passes small enough to stay in a core's cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray, Tokens
from middleware.rerank.backends.graph import BIAS, IDS, KINDS

TOKENS_PER_PASS = 256
"""Padding included. Fewer: each operation's own cost shows; more: its input falls out of the cache."""

COST_OF_A_PASS = 12
"""What a pass costs beside its tokens, in tokens: some 200 operations have to be started."""

Arrays = Mapping[str, NDArray[Any]]


def in_passes(batch: Sequence[Tokens], run: Callable[[Arrays], FloatArray], step: int = 1) -> FloatArray:
    """What `run` returns for each pair, shape (len(batch), labels): pairs sorted by length, a few in each pass.

    Rows are padded to a multiple of `step`, for a runtime to which each new shape is expensive.
    """
    lengths = [_rounded(len(tokens["input_ids"]), step) for tokens in batch]
    by_length = sorted(range(len(batch)), key=lengths.__getitem__)
    results = [
        run(padded([batch[row] for row in by_length[start:end]], step))
        for start, end in _cuts([lengths[row] for row in by_length])
    ]
    together = np.concatenate(results)
    in_order = np.empty_like(together)
    in_order[by_length] = together
    return in_order


def padded(batch: Sequence[Tokens], step: int = 1) -> Arrays:
    """The graph's inputs, each row padded to the longest, rounded up to a multiple of `step`."""
    lengths = np.array([len(tokens["input_ids"]) for tokens in batch])
    there = np.arange(_rounded(int(lengths.max()), step)) < lengths[:, None]
    arrays: dict[str, NDArray[Any]] = {name: np.zeros(there.shape, dtype=np.int64) for name in (IDS, KINDS)}
    for name, array in arrays.items():
        if name in batch[0]:
            array[there] = np.concatenate([tokens[name] for tokens in batch])
    arrays[BIAS] = np.where(there, np.float32(0), np.float32(-1e9))[:, None, None, :]
    return arrays


def _cuts(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Where to cut pairs of rising length into passes, so that padding and the passes' own cost are least together."""
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first n pairs: their cost, and where their last pass starts
    for end in range(1, len(lengths) + 1):
        longest = lengths[end - 1]
        most = max(1, TOKENS_PER_PASS // longest)
        best.append(
            min(
                (best[start][0] + (end - start) * longest + COST_OF_A_PASS, start)
                for start in range(max(0, end - most), end)
            )
        )
    passes = []
    end = len(lengths)
    while end:
        start = best[end][1]
        passes.append((start, end))
        end = start
    return passes[::-1]


def _rounded(length: int, step: int) -> int:
    return -(-length // step) * step
