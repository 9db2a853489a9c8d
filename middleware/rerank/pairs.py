"""Pairs on their way to the model and the searches that wait for them; the queue's lock guards all that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from threading import Event

import numpy as np

from middleware.errors import RerankError
from middleware.rerank.backends import FloatArray, Tokens


class State(Enum):
    """Where a pair is; what waits may still be dropped at no cost."""

    WAITING = "waiting"
    RUNNING = "running"
    SETTLED = "settled"


@dataclass(slots=True, eq=False)
class Pair:
    """A query and a document as the model reads them; `searches` want its score, and `key` tells it from others.

    `query_text` is there where batches may not mix query texts.
    """

    tokens: Tokens
    key: bytes | None = None
    query_text: str | None = None
    searches: list[Search] = field(default_factory=list)
    state: State = State.WAITING
    score: float | None = None
    error: RerankError | None = None
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = max(1, len(self.tokens["input_ids"]))

    @classmethod
    def settled(cls, score: float) -> Pair:
        """A pair whose score is known, so that no model need read it."""
        return cls({"input_ids": ()}, state=State.SETTLED, score=score)


@dataclass(slots=True, eq=False)
class Search:
    """The pairs of one request. Times are seconds of the monotonic clock; `place` is one, too: the order in the queue.

    `slots` holds for each query one place per document: nothing yet, its pair, or the score that was remembered; `keys`
    their keys alike, where scores are remembered at all.
    """

    slots: Sequence[list[Pair | float | None]]
    deadline: float
    joined: float
    place: float = 0.0
    keys: Sequence[Sequence[bytes]] = ()
    waiting: dict[Pair, None] = field(default_factory=dict)
    running: int = 0
    started: float | None = None
    is_whole: bool = False
    error: RerankError | None = None
    done: Event = field(default_factory=Event)

    @property
    def size(self) -> int:
        return sum(len(slots) for slots in self.slots)

    @property
    def missing(self) -> int:
        """Documents of which nothing is known yet."""
        return sum(slots.count(None) for slots in self.slots)

    def prefixes(self) -> list[FloatArray]:
        """For each query the scores of its first documents, up to the first that has none; shapes (k,), k <= n."""
        return [_prefix(slots) for slots in self.slots]


def _prefix(slots: Sequence[Pair | float | None]) -> FloatArray:
    scores: list[float] = []
    for slot in slots:
        score = slot.score if isinstance(slot, Pair) else slot
        if score is None:
            break
        scores.append(score)
    return np.array(scores, dtype=np.float64)
