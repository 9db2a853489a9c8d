"""A study on a terminal: the best trials, what made a difference, and what the best is worth where no trial looked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from middleware.learning.evaluation.rankings import spell_p
from middleware.learning.evaluation.significance import mean_interval
from middleware.learning.tuning.result import Result, TrialRow
from middleware.learning.tuning.trials import HITS_READ, MS

SHOWN = 10
_LEAST_SHARE = 0.005


def show_result(result: Result, console: Console) -> None:
    """Everything, for people."""
    console.print(trials_table(result))
    for line in lines(result):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def best_rows(result: Result, count: int = SHOWN) -> list[TrialRow]:
    """The best completed trials, and rerank.yml's own where it is not among them."""
    rows = sorted((row for row in result.trials if row.value is not None), key=lambda row: -(row.value or 0.0))
    present = [row for row in rows[count:] if row.is_present]
    return rows[:count] + present


def trials_table(result: Result) -> Table:
    """A row each, with what it chose."""
    pruned = sum(row.value is None for row in result.trials)
    title = f"{len(result.trials)} trials, {pruned} of them given up early; the best by {result.measure}"
    table = Table(title=title, title_justify="left", show_edge=False)
    for name in ("trial", "value", "hits read", "ms, about"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what it chose", overflow="fold")
    for row in best_rows(result):
        table.add_row(*cells(row, result), describe_values(row))
    return table


def cells(row: TrialRow, result: Result) -> tuple[str, str, str, str]:
    """Number, value, hits read and ms of a trial."""
    ms = row.notes.get(MS)
    return (
        f"{row.number}{f' ({spell_now(result)})' if row.is_present else ''}",
        f"{row.value:.4f}" if row.value is not None else "",
        f"{row.notes.get(HITS_READ, ''):g}" if HITS_READ in row.notes else "",
        f"{ms:.0f}" if ms is not None else "",
    )


def spell_now(result: Result) -> str:
    """What the first trial is: rerank.yml's configuration, or the nearest to it that can be searched."""
    space, first = result.space, result.trials[0]
    is_exact = "reranker" not in space.what and ("fusion" not in space.what or space.trained is None)
    return "as now" if is_exact and first.values.get("window", space.window) == space.window else "near now"


def describe_values(row: TrialRow) -> str:
    """Such as "fusion linear, l2 0.02, no features of brand": what is used is not said, what is left out is."""
    parts: list[str] = []
    unread: list[str] = []
    unused: list[str] = []
    places: list[tuple[int, str]] = []
    for name, value in row.values.items():
        prefix, _, rest = name.partition(" ")
        if prefix in ("use", "read") and value is False:
            (unread if prefix == "read" else unused).append(rest)
        elif name.startswith("place of "):
            places.append((value, name.removeprefix("place of ")))
        elif prefix not in ("use", "read"):
            parts.append(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}")
    if places:
        parts.append("text in the order " + ", ".join(name for _, name in sorted(places, key=lambda each: each[0])))
    if unread:
        parts.append("text without " + ", ".join(unread))
    if unused:
        parts.append("no features of " + ", ".join(unused))
    return ", ".join(parts)


def lines(result: Result) -> Iterator[str]:
    """What stands below the table."""
    if result.importances:
        yield "\nwhat made a difference (share of the variance between trials)"
        for name, share in result.importances.items():
            if share >= _LEAST_SHARE:
                yield f"  {name:32} {share:6.1%}"
    yield from ("", *held_out_lines(result))
    yield from result.remarks


def held_out_lines(result: Result) -> Sequence[str]:
    """What the best is worth on queries that no trial saw; empty where that was not measured."""
    if result.held_out is None:
        return ()
    each = result.held_out.comparison
    rows = []
    for name, evaluation in (("rerank.yml", each.before), (f"trial {result.best.number}", each.after)):
        low, high = mean_interval(evaluation.values(each.measure))
        rows.append(f"  {name:12} {evaluation.mean[each.measure]:.3f} ({low:.3f} to {high:.3f})")
    low, high = each.interval
    rows.append(f"  {'difference':12} {each.difference:+.3f} ({low:+.3f} to {high:+.3f}), {spell_p(each.p_value)}")
    return (f"{result.measure} on {result.held_out.queries} queries that no trial saw, with 95 % intervals", *rows)
