"""How far a profile may move a hit: the personal order of some hits, bound to their order without the profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from middleware.fusion import FloatArray
from middleware.rerank.reading import Stop


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


@dataclass(frozen=True, slots=True)
class BoundStop:
    """Ends the reading of a window whose order is bound, where the first page is that of the whole window.

    `personal` and `impersonal` know the fused scores with the profile and without it. Place p is filled from the hits
    of impersonal rank p + most_ranks or less. So the page is decided when all hits are read that may be of a rank below
    page + most_ranks; or, where no hit has to come into the page because it may fall no further, when as many hits as
    the page holds, each of rank most_ranks or less whatever is still unread, are better than any other that may come
    into the page can be.
    """

    personal: Stop
    impersonal: Stop
    most_ranks: int

    @property
    def page(self) -> int:
        return self.personal.page

    def is_decided(self, order: NDArray[np.intp], scores: Sequence[float]) -> bool:
        """Whether the hits after the first len(scores) of `order` may stay unread."""
        if len(scores) < self.page:
            return False
        if self.impersonal.is_decided(order, scores):
            return True
        return self.most_ranks >= self.page and self._is_decided_by_taste(order, np.array(scores))

    def _is_decided_by_taste(self, order: NDArray[np.intp], scores: FloatArray) -> bool:
        known, unread = order[: len(scores)], order[len(scores) :]
        impersonal, personal = self.impersonal.fuse(known, scores), self.personal.fuse(known, scores)
        rivals = np.concatenate([impersonal, self.impersonal.bounds[unread]])
        worst_ranks = (rivals[None, :] >= impersonal[:, None]).sum(axis=1) - 1
        is_free = worst_ranks <= self.most_ranks
        if is_free.sum() < self.page:
            return False
        reached = np.partition(personal[is_free], -self.page)[-self.page]
        best_ranks = (impersonal[None, :] > rivals[:, None]).sum(axis=1)
        may_come = best_ranks < self.page + self.most_ranks
        may_come[: len(known)] &= ~is_free
        others = np.concatenate([personal, self.personal.bounds[unread]])[may_come]
        return bool(others.max(initial=-np.inf) <= reached)
