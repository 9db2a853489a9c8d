"""Pairs of like length together as arrays, in passes small enough to stay in a core's cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray, Tokens
from middleware.rerank.backends.graph import BIAS, IDS, KINDS, PLACES, POSITIONS, SLOTS

ROWS_PER_PASS = 384
"""Fewer: each operation's own cost shows; more: its input falls out of the cache."""

COST_OF_A_PASS = 20
"""What a pass costs beside its rows, in rows: some 180 operations have to be started."""

COST_OF_A_SLOT = 0.12
"""What attention costs for each of its slots, in rows of which the other operations have to do."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """How pairs lie in a pass. Attention sees each in as many slots as the longest needs, a multiple of `step`.

    `packed`: a row for each token; otherwise one for each slot, which makes fewer shapes.
    """

    packed: bool
    step: int

    def slots(self, length: int) -> int:
        return -(-length // self.step) * self.step


PACKED = Layout(packed=True, step=16)
"""Products of matrices are fastest where both of their sides are multiples of 16."""


def in_passes(batch: Sequence[Tokens], run: Callable[[Arrays], FloatArray], layout: Layout = PACKED) -> FloatArray:
    """What `run` returns for each pair, shape (len(batch), labels): pairs sorted by length, a few in each pass."""
    by_length = sorted(range(len(batch)), key=lambda row: len(batch[row]["input_ids"]))
    lengths = [len(batch[row]["input_ids"]) for row in by_length]
    results = [
        run(one_pass([batch[row] for row in by_length[start:end]], layout)) for start, end in _cuts(lengths, layout)
    ]
    together = np.concatenate(results)
    in_order = np.empty_like(together)
    in_order[by_length] = together
    return in_order


def one_pass(batch: Sequence[Tokens], layout: Layout = PACKED) -> Arrays:
    """The graph's inputs (build_graph)."""
    lengths = np.array([len(tokens["input_ids"]) for tokens in batch])
    there = np.arange(layout.slots(int(lengths.max()))) < lengths[:, None]
    rows = there if layout.packed else np.ones_like(there)
    arrays: dict[str, NDArray[Any]] = {}
    for name in (IDS, KINDS):
        by_slot = np.zeros(there.shape, dtype=np.int64)
        if name in batch[0]:
            by_slot[there] = np.concatenate([tokens[name] for tokens in batch])
        arrays[name] = by_slot[rows]
    arrays[POSITIONS] = np.nonzero(rows)[1]
    arrays[PLACES] = np.zeros(there.shape, dtype=np.int64)
    arrays[PLACES][rows] = np.arange(rows.sum())
    if layout.packed:
        arrays[SLOTS] = np.flatnonzero(rows)
    arrays[BIAS] = np.where(there, np.float32(0), np.float32(-1e9))[:, None, None, :]
    return arrays


def _cuts(lengths: Sequence[int], layout: Layout) -> list[tuple[int, int]]:
    """Where to cut pairs of rising length into passes, so that padding and the passes' own cost are least together."""
    before = [0, *accumulate(lengths)]
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first n pairs: their cost, and where their last pass starts
    for end in range(1, len(lengths) + 1):
        slots = layout.slots(lengths[end - 1])
        cost = slots * (COST_OF_A_SLOT if layout.packed else 1 + COST_OF_A_SLOT)
        best.append(
            min(
                (best[start][0] + (end - start) * cost + COST_OF_A_PASS, start)
                for start in range(end)
                if start == end - 1
                or (before[end] - before[start] if layout.packed else (end - start) * slots) <= ROWS_PER_PASS
            )
        )
    passes = []
    end = len(lengths)
    while end:
        start = best[end][1]
        passes.append((start, end))
        end = start
    return passes[::-1]
