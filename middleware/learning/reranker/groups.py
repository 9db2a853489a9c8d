"""Which groups a training can learn from and which it must leave out, counted, so that nothing is lost in silence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from middleware.errors import CommandError
from middleware.learning.groups.group import Group

ONE_CLASS = "with the same target for every document"


def usable_groups(groups: Sequence[Group], *, need_an_order: bool) -> tuple[list[Group], Mapping[str, int]]:
    """The groups to learn from or to measure with, in their order, and how many were left out for what reason."""
    kept, dropped = [], Counter[str]()
    for group in groups:
        reason = _what_is_wrong(group) or (ONE_CLASS if need_an_order and len(set(group.targets)) == 1 else None)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(group)
    return kept, dict(dropped)


def check_training(kept: Sequence[Group], dropped: Mapping[str, int]) -> None:
    """Raises CommandError, with the counts, where there is nothing to learn from."""
    total = len(kept) + sum(dropped.values())
    if not total:
        raise CommandError("nothing to learn from: there is no group of documents")
    if not kept:
        raise CommandError(f"nothing to learn from: of {total} groups {describe(dropped)}")
    targets = {target for group in kept for target in group.targets}
    if len(targets) == 1:
        count = sum(len(group.targets) for group in kept)
        raise CommandError(
            f"nothing to learn from: all {count} documents of {len(kept)} groups have the target {targets.pop():g}; "
            "give documents that are not relevant, too, such as judged 0 or mined from the index"
        )


def describe(dropped: Mapping[str, int]) -> str:
    """Such as "3 without a document, 1 with a weight that is not above 0"."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"


def _what_is_wrong(group: Group) -> str | None:
    count = len(group.document_texts)
    if not count:
        return "without a document"
    if any(len(column) != count for column in (group.document_ids, group.targets, group.first_stage)):
        return "with not as many ids, targets and first-stage scores as texts"
    if len(group.given) not in (0, count):
        return "with not as many marks of what is given as texts"
    if not all(_is_number(target) and 0 <= target <= 1 for target in group.targets):
        return "with a target that is not in [0, 1]"
    if not (_is_number(group.weight) and group.weight > 0):
        return "with a weight that is not above 0"
    if not isinstance(group.query_text, str) or not group.query_text.strip():
        return "without a query"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
