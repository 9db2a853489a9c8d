"""How long to leave alone what has failed, so that it costs those who could use it little, and is found again soon."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_DOUBLINGS = 32


@dataclass(slots=True)
class Backoff:
    """A pause after each failure, doubled with each further one in a row. Times are seconds of one clock.

    Not thread-safe: whoever shares it guards it.
    """

    first_s: float
    longest_s: float
    failures: int = 0
    until: float = 0.0

    def failed(self, now: float) -> float:
        """Note a failure; the length of the pause that it begins."""
        pause_s = min(self.first_s * 2.0**self.failures, self.longest_s)
        self.failures = min(self.failures + 1, _MOST_DOUBLINGS)
        self.until = now + pause_s
        return pause_s

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures, self.until = 0, 0.0
