"""What a model reads of one window and in which order, and when that is enough: stage 1b of the cascade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray

# Small enough that little is read in vain, large enough that two workers have a full pass each.
_ROUND = 8


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the reading of a window where no hit left unread can come among its first `page`.

    `fuse` makes fused scores of hits (their places) with these cross-encoder scores, both of shape (k,); it must never
    fall where a score rises, and a hit's must not depend on the others. `bounds`, shape (n,), is what it makes of all
    hits with the upper bounds of their scores in place; where these hold, the first `page` are those of the whole
    window. It is the rule of the threshold algorithm (Fagin, Lotem and Naor, 2003), with bounds that may be estimates.
    """

    fuse: Callable[[NDArray[np.intp], FloatArray], FloatArray]
    bounds: FloatArray
    page: int

    def is_decided(self, order: NDArray[np.intp], scores: Sequence[float]) -> bool:
        """Whether the hits after the first len(scores) of `order` may stay unread."""
        known, unread = order[: len(scores)], order[len(scores) :]
        if len(known) < self.page:
            return False
        reached = np.partition(self.fuse(known, np.array(scores)), -self.page)[-self.page]
        return bool(self.bounds[unread].max(initial=-np.inf) <= reached)


class Ending(Protocol):
    """Says when a window need not be read any further; `page` hits are read at least."""

    @property
    def page(self) -> int: ...

    def is_decided(self, order: NDArray[np.intp], scores: Sequence[float]) -> bool:
        """Whether the hits after the first len(scores) of `order` may stay unread."""
        ...


@dataclass(slots=True)
class Reading:
    """One window on its way through the model: `scores` are those of the first hits of `order`, shape (n,).

    At most `depth` are read: all at once without a `stop`, else a few, until that says that it is enough.
    """

    order: NDArray[np.intp]
    depth: int
    stop: Ending | None = None
    scores: list[float] = field(default_factory=list)
    is_over: bool = False

    @property
    def wanted(self) -> NDArray[np.intp]:
        """The positions to be read next; none where the reading is over."""
        known = len(self.scores)
        if self.is_over:
            return self.order[:0]
        return self.order[known : self.depth if self.stop is None else min(self.depth, known + self._round)]

    @property
    def _round(self) -> int:
        """The first hits must fill the page before anything can be decided."""
        return _ROUND if self.scores or self.stop is None else max(_ROUND, self.stop.page) + _ROUND // 2

    def add(self, scores: Iterable[float]) -> None:
        """The scores of the first of the wanted; fewer than were wanted say that there is no more time."""
        wanted = len(self.wanted)
        before = len(self.scores)
        self.scores.extend(scores)
        self.is_over = (
            len(self.scores) - before < wanted
            or len(self.scores) >= self.depth
            or (self.stop is not None and self.stop.is_decided(self.order, self.scores))
        )
