"""An evaluation on the terminal: compact tables, and a line for each thing that has to be known beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from middleware.learning.evaluation.rankings import spell_p
from middleware.learning.evaluation.results import BASELINES, Results, System
from middleware.learning.evaluation.searches import APPLIED


def show_results(results: Results, console: Console) -> None:
    """Prints them."""
    console.print(str(results.judgments), highlight=False, markup=False, style="bold")
    for remark in remarks(results):
        console.print(f"  {remark}", highlight=False, style="yellow", markup=False)
    tables = [_systems_table(results), _comparisons_table(results)]
    tables += [_slices_table(results)] if results.slices else []
    for table in tables:
        console.print()
        console.print(table)
    for line in generalisation_lines(results):
        console.print(line, highlight=False, markup=False)
    notes = f"{results.how}, index {results.index}. Unjudged documents count as grade 0; judged: on the judged hits "
    notes += f"of the first {results.hits} alone. {times_note(results)}"
    console.print(f"\n{notes[0].upper()}{notes[1:]}", highlight=False, markup=False, style="dim")


def remarks(results: Results) -> Iterator[str]:
    """What was dropped, changed or failed, with counts."""
    yield from results.judgments.remarks()
    if results.without_relevant:
        yield f"{results.without_relevant} queries have no relevant document and are left out"
    for system in results.variants:
        failed = {why: count for why, count in system.outcomes.items() if why != APPLIED}
        if failed:
            reasons = ", ".join(f"{count} x {why}" for why, count in failed.items())
            yield f"{system.name}: {sum(failed.values())} searches kept Elasticsearch's order: {reasons}"


def generalisation_lines(results: Results) -> Iterator[str]:
    """Seen minus unseen, of every variant."""
    for name, each in results.generalisation.items():
        if name in BASELINES:
            continue
        yield (
            f"generalisation of {name}: {results.main_measure} of queries seen in training minus unseen "
            f"{each.measure.difference:+.3f} ({spell_interval(each.measure.interval)}); of its gain over "
            f"{results.baseline} {each.gain.difference:+.3f} ({spell_interval(each.gain.interval)})"
        )


def median_ms(system: System) -> str:
    """The second stage's median of the variant as configured, or nothing where none was timed."""
    ms = system.ms.get(system.window) or next((each for each in system.ms.values() if each), ())
    return f"{np.median(ms):.0f}" if len(ms) else ""


def times_note(results: Results) -> str:
    """What the times are worth: here nothing is remembered from search to search, in a running proxy it may be."""
    if results.proxy:
        return "Times are the proxy's own; scores that it remembers cost it nothing."
    return "Times are medians of the second stage alone, on this machine, with no score remembered."


def spell_interval(interval: tuple[float, float], *, signed: bool = True) -> str:
    """Both ends; of differences with their signs."""
    low, high = interval
    return f"{low:+.3f} to {high:+.3f}" if signed else f"{low:.3f} to {high:.3f}"


def _systems_table(results: Results) -> Table:
    """A row for each measure, a column for each system: names of measures are long."""
    systems, main = list(results.systems.values()), results.main_measure
    table = _table("", *results.systems)
    for name in results.measures:
        table.add_row(name, *(f"{system.whole.mean[name]:.3f}" for system in systems), style=_bold(name == main))
        if name == main:
            judged = (f"{system.judged_only.mean[main]:.3f}" for system in systems)
            table.add_row(f"{main}, judged", *judged, style=_bold(True))
    table.add_row("unjudged in first 10", *(f"{system.unjudged_share:.0%}" for system in systems))
    table.add_row("second stage, ms", *(median_ms(system) for system in systems))
    return table


def _comparisons_table(results: Results) -> Table:
    columns = ("gain", "95 %", "p", "won", "lost", "tied", "judged")
    table = _table(f"- {results.baseline}", *columns)
    for name, each in results.comparisons.items():
        table.add_row(
            name,
            f"{each.difference:+.3f}",
            spell_interval(each.interval),
            spell_p(each.p_value).removeprefix("p ").removeprefix("= "),
            *(str(count) for count in (each.wins, each.losses, each.ties)),
            f"{results.judged_comparisons[name].difference:+.3f}",
            style=_bold(name not in BASELINES),
        )
    return table


def _slices_table(results: Results) -> Table:
    table = _table(results.main_measure, "queries", *results.systems)
    for each in results.slices:
        means = (f"{each.means[name]:.3f}" for name in results.systems)
        table.add_row(f"{each.slice.kind}: {each.slice.name}", str(len(each.slice.queries)), *means)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _bold(wanted: bool) -> str | None:
    return "bold" if wanted else None
