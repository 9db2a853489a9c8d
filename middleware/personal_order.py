"""How far a profile may move a hit: the personal order of some hits, bound to their order without the profile."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from middleware.fusion import FloatArray


def bind_order(impersonal: Sequence[int], scores: FloatArray, most_ranks: int | None) -> list[int]:
    """The hits of `impersonal`, their order without a profile, ordered anew by personal `scores` within bounds.

    No hit stands more than `most_ranks` places above or below its place in `impersonal`; None: there is no bound.
    `scores`: shape (n,), by position in the window; equal ones keep their impersonal order.

    Places are filled from the top. At place p the hit of impersonal rank p - most_ranks goes first if it is still
    there, else the best of those of rank p + most_ranks or less. That never gets stuck: no two hits share a last place,
    and there are always more hits to choose from than places filled. It is earliest deadline first (Jackson, 1955)
    with jobs of one size and deadlines that all differ.
    """
    count = len(impersonal)
    reach = count if most_ranks is None else min(most_ranks, count)
    waiting: list[tuple[float, int]] = []
    is_placed = [False] * count
    order: list[int] = []
    for place in range(-reach, count):
        arriving = place + reach
        if arriving < count:
            heappush(waiting, (-float(scores[impersonal[arriving]]), arriving))
        if place < 0:
            continue
        rank = place - reach
        if rank < 0 or is_placed[rank]:
            rank = heappop(waiting)[1]
            while is_placed[rank]:
                rank = heappop(waiting)[1]
        is_placed[rank] = True
        order.append(impersonal[rank])
    return order
