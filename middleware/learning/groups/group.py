"""What a ranking model learns from: groups of documents that answer one query, each with its target; kept as JSONL."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from middleware.errors import CommandError

Origin = Literal["judged", "behaviour", "unlabelled", "invented"]
"""unlabelled: a real query, of which only a teacher says what answers it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A query text with n documents: ids, texts and what a model should say of each, shape (n,), in [0, 1].

    `first_stage`: Elasticsearch's scores, 0 for a document that it did not find. `weight`: what the group counts.
    `given`: which targets people gave, by judging or by behaving; the others are a teacher's or an assumption's (empty:
    nobody says). `family`: the query that this one is a variant of, such as a misspelling (empty: of none).
    """

    query_text: str
    document_ids: tuple[str, ...]
    document_texts: tuple[str, ...]
    targets: tuple[float, ...]
    first_stage: tuple[float, ...]
    origin: Origin
    weight: float = 1.0
    given: tuple[bool, ...] = ()
    family: str = ""


def write_groups(path: Path, groups: Iterable[Group]) -> int:
    """One group a line; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, group in enumerate(groups, start=1):  # noqa: B007 - the count is what is returned
            file.write(json.dumps(asdict(group), ensure_ascii=False) + "\n")
    return count


def read_groups(path: Path) -> Sequence[Group]:
    """Raises CommandError, naming the line, for a file that `write_groups` did not write."""
    groups = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                arrays = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
                groups.append(Group(**row | arrays))
            except (ValueError, TypeError, AttributeError) as error:
                raise CommandError(f"{path}, line {number}: not a group of training documents: {error}") from error
    return groups


def split(groups: Sequence[Group], share: float, seed: int) -> tuple[list[Group], list[Group]]:
    """Training and held-out groups: `share` of the queries is held out, one at least where there are two.

    Queries that differ by case, spaces or spelling (`family`) alone fall on the same side; the order is kept.
    """
    families = list(dict.fromkeys(map(family_of, groups)))
    count = min(max(1, round(share * len(families))), len(families) - 1) if share > 0 and len(families) > 1 else 0
    held_out = set(random.Random(seed).sample(families, count))
    sides: tuple[list[Group], list[Group]] = [], []
    for group in groups:
        sides[family_of(group) in held_out].append(group)
    return sides


def family_of(group: Group) -> str:
    """What the variants of one query have in common."""
    return " ".join((group.family or group.query_text).casefold().split())
