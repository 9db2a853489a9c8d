"""What a bootstrap did, in numbers: one dataclass for code, JSON for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from middleware.catalog.read import Reject


@dataclass(frozen=True, slots=True)
class Report:
    """The closing report of one bootstrap; counts are records of the input.

    `records` = `documents` + the sum of `rejects`; of `documents`, `resumed` were in the index from an earlier, killed
    run. `steps` says for each preprocessing step that is on how many records it changed or dropped.
    """

    alias: str
    index: str | None
    previous: tuple[str, ...]
    deleted: tuple[str, ...]
    language: str
    language_reason: str
    analysis: dict[str, str]
    records: int
    documents: int
    resumed: int
    rejects: dict[str, int]
    rejects_file: str | None
    steps: dict[str, int]
    switched_off: tuple[str, ...]
    seconds: float
    dry_run: bool = False
    reject_samples: tuple[Reject, ...] = field(default=(), repr=False)

    @property
    def documents_per_second(self) -> float:
        return (self.documents - self.resumed) / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object, samples of rejects included."""
        return {**asdict(self), "documents_per_second": round(self.documents_per_second, 1)}


@dataclass(frozen=True, slots=True)
class Rollback:
    """The alias moved from `left` back to `now`."""

    alias: str
    left: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a bootstrap is: bytes of the input (`total` None where unknown), documents in, or a word on a wait."""

    phase: str
    done: int = 0
    total: int | None = None
    documents: int = 0
    rejects: int = 0
    note: str = ""
