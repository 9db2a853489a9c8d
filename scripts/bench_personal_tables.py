"""The tables of bench_personal.py: mean reciprocal ranks with and without profiles, and what is gained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.fusion import FloatArray

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One later purchase: reciprocal ranks of the bought product without the profile and with it.

    `..._by_rank`: of the purchase under position bias. `told_...`: whether the explanations of the profile and of
    the user's rankings name the taste; None where there is nothing to name.
    """

    user: str
    seed: int
    tastes: str
    events: int
    is_new_search: bool
    is_same_order: bool
    before: float
    after: float
    before_by_rank: float
    after_by_rank: float
    told_of_user: bool | None = None
    told_of_hits: bool | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """Means over purchases, and after / before - 1 with its 95 % interval: users are resampled, with all of theirs."""

    users: int
    purchases: int
    before: float
    after: float
    gain: float
    interval: tuple[float, float]


def gain_of(rows: Sequence[Row], *, by_rank: bool = False, seed: int = 0) -> Gain:
    """Of at least one row."""
    sums: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(3))
    for row in rows:
        pair = (row.before_by_rank, row.after_by_rank) if by_rank else (row.before, row.after)
        sums[row.user] += np.array([1.0, *pair])
    of_users = np.stack(list(sums.values()))
    rng = np.random.default_rng(seed)
    drawn = np.stack([of_users[rng.integers(0, len(of_users), len(of_users))].sum(axis=0) for _ in range(DRAWS)])
    count, before, after = of_users.sum(axis=0)
    low, high = np.percentile(drawn[:, 2] / drawn[:, 1] - 1, (2.5, 97.5))
    return Gain(len(of_users), len(rows), before / count, after / count, after / before - 1, (float(low), float(high)))


Part = tuple[str, Callable[[Row], bool]]
BY_EVENTS: Sequence[Part] = (
    ("no events", lambda row: row.events == 0),
    ("1 to 9 events", lambda row: 1 <= row.events < 10),
    ("**10 or more events**", lambda row: row.events >= 10),
    ("- 10 to 29", lambda row: 10 <= row.events < 30),
    ("- 30 or more", lambda row: row.events >= 30),
    ("- a search never made before", lambda row: row.events >= 10 and row.is_new_search),
)


def print_tables(rows: Sequence[Row], varied: Mapping[str, Sequence[Row]]) -> None:
    """All as Markdown on standard output."""
    print("\n| users with | users | purchases | MRR without profiles | with | gain | 95 % | same order |")
    print("|---|---|---|---|---|---|---|---|")
    for name, belongs in BY_EVENTS:
        _print_row(name, [row for row in rows if belongs(row)])
    known = [row for row in rows if row.events >= 10]
    _print_row("- bought under position bias", known, by_rank=True)
    print("\n| taste (10 or more events) | users | purchases | MRR without profiles | with | gain | 95 % | named |")
    print("|---|---|---|---|---|---|---|---|")
    for tastes in sorted({row.tastes for row in known}, key=lambda each: (each.count(" and "), each)):
        _print_row(tastes or "none", [row for row in known if row.tastes == tastes], last=_named)
    print("\n| seed | users | purchases | MRR without profiles | with | gain | 95 % | same order |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in dict.fromkeys(row.seed for row in rows):
        _print_row(str(seed), [row for row in known if row.seed == seed])
    for name, others in varied.items():
        _print_row(name, [row for row in others if row.events >= 10])


def _print_row(
    name: str, rows: Sequence[Row], *, by_rank: bool = False, last: Callable[[Sequence[Row]], str] | None = None
) -> None:
    if not rows:
        return
    found = gain_of(rows, by_rank=by_rank)
    low, high = found.interval
    end = (last or _same)(rows)
    print(
        f"| {name} | {found.users} | {found.purchases} | {found.before:.3f} | {found.after:.3f} | "
        f"{found.gain:+.1%} | {low:+.1%} to {high:+.1%} | {end} |"
    )


def _same(rows: Sequence[Row]) -> str:
    return f"{np.mean([row.is_same_order for row in rows]):.0%}"


def _named(rows: Sequence[Row]) -> str:
    """Of users, those whose taste is named by what adds most to their rankings / by what is told of their profile."""
    return f"{_share(rows, lambda row: row.told_of_hits)} / {_share(rows, lambda row: row.told_of_user)}"


def _share(rows: Sequence[Row], of: Callable[[Row], bool | None]) -> str:
    of_users = {row.user: told for row in rows if (told := of(row)) is not None}
    return f"{np.mean(list(of_users.values())):.0%}" if of_users else "-"
