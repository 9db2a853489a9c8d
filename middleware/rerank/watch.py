"""What the engine and the readers of vectors tell of their work, so that they need not know who counts."""

from __future__ import annotations

from typing import Literal, Protocol

Stage = Literal["estimate", "wait", "tokenise", "forward"]
Fate = Literal["scored", "remembered", "shared", "unscored"]
VectorStage = Literal["encode", "fetch"]
VectorFate = Literal["remembered", "fetched", "absent"]


class Watch(Protocol):
    """Called by many threads; must be cheap."""

    def observe_engine(self, model: str, stage: Stage, seconds: float) -> None:
        """`estimate`: a window; `wait`: of a search, for its first batch; `tokenise`: a call; `forward`: a batch."""
        ...

    def count_pairs(self, model: str, fate: Fate, pairs: int) -> None:
        """What became of pairs: scored by the model, remembered, shared with another in flight, out of time."""
        ...

    def count_saved(self, model: str, seconds: float) -> None:
        """Time of a worker that pairs which were remembered or shared would have taken."""
        ...

    def see_waiting(self, model: str, searches: int) -> None:
        """How many searches wait for the model from now on; called in the order of the changes."""
        ...

    def see_queue_limit(self, model: str, searches: int) -> None:
        """How many searches may wait for the model; told once, when it is loaded."""
        ...


class VectorWatch(Protocol):
    """Called by many threads; must be cheap. `index`: the one that keeps the vectors."""

    def observe_vectors(self, index: str, stage: VectorStage, seconds: float) -> None:
        """`encode`: a query that was not remembered; `fetch`: the vectors of a window that were not."""
        ...

    def count_vectors(self, index: str, fate: VectorFate, hits: int) -> None:
        """What became of the vectors that hits need: remembered, fetched, or absent from the index that keeps them."""
        ...


class Unwatched:
    """Counts nothing."""

    def observe_engine(self, model: str, stage: Stage, seconds: float) -> None: ...

    def count_pairs(self, model: str, fate: Fate, pairs: int) -> None: ...

    def count_saved(self, model: str, seconds: float) -> None: ...

    def see_waiting(self, model: str, searches: int) -> None: ...

    def see_queue_limit(self, model: str, searches: int) -> None: ...

    def observe_vectors(self, index: str, stage: VectorStage, seconds: float) -> None: ...

    def count_vectors(self, index: str, fate: VectorFate, hits: int) -> None: ...
