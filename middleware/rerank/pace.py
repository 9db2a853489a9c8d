"""How fast a model is here and now, so that nothing is started that cannot be done in time."""

from __future__ import annotations

from dataclasses import dataclass

# The weight of the newest batch: the pace follows a busy machine within some ten batches, and one hiccup is forgotten.
_NEWEST = 0.2
# Estimates err to both sides; a batch that comes a little late is lost to its search.
_MARGIN = 1.2


@dataclass(slots=True)
class Pace:
    """Running means of one worker's cost, in seconds, of a token (padding included) and of a pair; 0 until measured."""

    token_s: float = 0.0
    pair_s: float = 0.0

    def observe(self, tokens: int, pairs: int, seconds: float) -> None:
        """Learn from a batch of `pairs` that took `tokens` (padding included) through the model in `seconds`."""
        newest = _NEWEST if self.token_s else 1.0
        self.token_s += newest * (seconds / tokens - self.token_s)
        self.pair_s += newest * (seconds / pairs - self.pair_s)

    def tokens_within(self, seconds: float) -> float:
        """How many tokens one worker can be trusted to score within `seconds`."""
        return max(0.0, seconds) / (self.token_s * _MARGIN) if self.token_s else float("inf")
