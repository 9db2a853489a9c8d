"""The one door to training groups: judgments, behaviour and invented queries, completed with mined documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from middleware.learning.groups import Group
from middleware.learning.shop import Shop
from middleware.learning.teachers import Step, Teacher

Judgments = Mapping[str, Mapping[str, float]]
"""query text -> document id -> grade, 0 or more; what is not there was not judged."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What groups are made of; at least one of them.

    `judgments` with `max_grade` (None: the highest grade there is). `behaviour`: a UBI log (index<TAB>json, bulk form
    or JSON lines, .gz too), or the name of the index of its events. `queries`: real ones that nobody labelled.
    `invented`: how many queries to invent from the catalogue. `teacher`: says what unlabelled documents are worth;
    None: the first stage and the starter bi-encoder mixed.
    """

    judgments: Judgments | None = None
    max_grade: float | None = None
    behaviour: Path | str | None = None
    queries: Sequence[str] = ()
    invented: int = 0
    synonyms: Path | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How a group is completed. Of its window: `hard` of the first hits, `middle` of the others; `random` products.

    `labelled`: most documents with a target of their own, the best first. `others`: what the mined ones are worth,
    what the teacher says or 0; where 0, hits that the teacher finds nearly as good as the positives (`guard` of the
    way from 0 to the least of them) are left out: they may be unlabelled answers (Qu et al., RocketQA, NAACL 2021).
    `source`: of an invented query, how far its product's target is moved from the teacher's towards 1.
    """

    labelled: int = 40
    hard: int = 10
    middle: int = 4
    random: int = 2
    others: Literal["teacher", "zero"] = "teacher"
    guard: float = 0.9
    source: float = 0.5
    augmented: float = 0.15
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GroupSet:
    """Groups in a fixed order, and what became of all that was read: what -> how many."""

    groups: Sequence[Group]
    used: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        used = ", ".join(f"{count:,} {what}" for what, count in self.used.items()) or "nothing"
        dropped = ", ".join(f"{count:,} {what}" for what, count in self.dropped.items() if count) or "nothing"
        return f"used: {used}; left out: {dropped}"


def make_groups(shop: Shop, sources: Sources, options: GroupOptions, step: Step) -> GroupSet:
    """Training groups of a shop; the same for the same index, sources and seed.

    Raises CommandError, with the counts of what was left out and why, where no group is left.
    """
    raise NotImplementedError
