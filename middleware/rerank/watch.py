"""What the engine tells of its work, so that it need not know who counts."""

from __future__ import annotations

from typing import Literal, Protocol

Stage = Literal["estimate", "wait", "tokenise", "forward"]
Fate = Literal["scored", "remembered", "shared", "unscored"]


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


class Unwatched:
    """Counts nothing."""

    def observe_engine(self, model: str, stage: Stage, seconds: float) -> None: ...

    def count_pairs(self, model: str, fate: Fate, pairs: int) -> None: ...

    def count_saved(self, model: str, seconds: float) -> None: ...

    def see_waiting(self, model: str, searches: int) -> None: ...

    def see_queue_limit(self, model: str, searches: int) -> None: ...
