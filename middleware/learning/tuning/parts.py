"""The queries of a study cut into folds and a part that no trial ever sees, by their words and a seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from middleware.errors import CommandError, ConfigError
from middleware.features.words import comparable, split_words
from middleware.learning.evaluation.judgments import Judgments


@dataclass(frozen=True, slots=True)
class Parts:
    """Query ids: those held out, and those of each fold that trials learn from and are measured on."""

    held_out: Sequence[str]
    folds: Sequence[Sequence[str]]

    @property
    def training(self) -> list[str]:
        """The queries of all folds."""
        return [query for fold in self.folds for query in fold]

    def without(self, place: int) -> list[str]:
        """The queries of all folds but one."""
        return [query for number, fold in enumerate(self.folds) if number != place for query in fold]

    def describe(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def cut(queries: Mapping[str, str], folds: int, held_out: float, seed: int) -> Parts:
    """Queries (id -> text) cut by chance; those of the same words fall into the same part. No judgment is looked at.

    `held_out`: share of the queries, at least one. Raises ConfigError where there are fewer different ones than parts.
    """
    alike: dict[frozenset[str], list[str]] = {}
    for query_id in sorted(queries):
        alike.setdefault(frozenset(split_words(comparable(queries[query_id]))), []).append(query_id)
    if not 2 <= folds < len(alike):
        raise ConfigError("--folds", folds, f"give a number from 2 to {len(alike) - 1}: {len(alike)} queries differ")
    families = list(alike.values())
    np.random.default_rng(seed).shuffle(families)
    most = len(alike) - folds  # of families: a fold holds one at least
    kept_back: list[str] = []
    wanted = max(1, round(held_out * len(queries)))
    while most and len(kept_back) < wanted:
        kept_back += families.pop()
        most -= 1
    found: list[list[str]] = [[] for _ in range(folds)]
    for family in sorted(families, key=len, reverse=True):
        min(found, key=len).extend(family)
    return Parts(kept_back, found)


def only_queries(judgments: Judgments, wanted: Iterable[str]) -> Judgments:
    """The judgments of some queries; the highest grade is theirs, so that no other part has a say in it."""
    kept = [query for query in wanted if query in judgments.qrels]
    grades = [max(judgments.qrels[query].values()) for query in kept]
    return replace(
        judgments,
        queries={query: judgments.queries[query] for query in kept},
        qrels={query: judgments.qrels[query] for query in kept},
        max_grade=max(grades, default=0),
    )


def check_parts(judgments: Judgments, parts: Parts, *, judged_only: bool) -> None:
    """Raises CommandError, with counts, where a part can tell no order from another."""
    for name, queries in (
        ("held out", parts.held_out),
        *((f"fold {place + 1}", fold) for place, fold in enumerate(parts.folds)),
    ):
        judged = [judgments.qrels[query] for query in queries]
        useful = [
            each for each in judged if max(each.values()) > 0 and (not judged_only or len(set(each.values())) > 1)
        ]
        if not useful:
            total = sum(len(each) for each in judged)
            wanted = "judgments of several grades" if judged_only else "a judgment above grade 0"
            raise CommandError(
                f"{judgments}: of {len(queries)} queries with {total} judgments, {name}, none has {wanted}; give more "
                f"judgments, fewer --folds, or another --seed"
            )
