"""An evaluation on the terminal: one compact table, and a line for each thing that has to be known beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from middleware.learning.evaluate_results import BASELINES, Results, System
from middleware.learning.evaluate_searches import APPLIED
from middleware.learning.evaluation import spell_p


def show_results(results: Results, console: Console) -> None:
    """Prints them."""
    console.print(f"[bold]{results.judgments}[/]", highlight=False)
    for remark in remarks(results):
        console.print(f"  {remark}", highlight=False, style="yellow", markup=False)
    console.print(_systems_table(results))
    console.print(
        f"Unjudged documents count as grade 0; 'judged' is {results.main_measure} on the judged hits of the first "
        f"{results.hits} alone; {results.how}, index {results.index}.",
        highlight=False,
        style="dim",
    )
    console.print(_comparisons_table(results))
    if results.slices:
        console.print(_slices_table(results))
    for line in generalisation_lines(results):
        console.print(line, highlight=False, markup=False)


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
        if name in BASELINES and name != results.baseline:
            continue
        yield (
            f"generalisation of {name}: {results.main_measure} of queries seen in training minus unseen "
            f"{each.measure.difference:+.3f} ({_interval(each.measure.interval)}); of its gain over "
            f"{results.baseline} {each.gain.difference:+.3f} ({_interval(each.gain.interval)})"
        )


def median_ms(system: System) -> str:
    """The second stage's median of the variant as configured, or nothing where none was timed."""
    ms = system.ms.get(system.window) or next((each for each in system.ms.values() if each), ())
    return f"{np.median(ms):.0f}" if len(ms) else ""


def _systems_table(results: Results) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("")
    for name in (*results.measures, "judged", "unjudged@10", "ms"):
        table.add_column(name, justify="right", overflow="fold")
    for system in results.systems.values():
        values = [f"{system.whole.mean[name]:.3f}" for name in results.measures]
        table.add_row(
            system.name,
            *values,
            f"{system.judged_only.mean[results.main_measure]:.3f}",
            f"{system.unjudged_share:.0%}",
            median_ms(system),
            style="dim" if system.name in BASELINES else None,
        )
    return table


def _comparisons_table(results: Results) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(f"{results.main_measure} against {results.baseline}")
    for name in ("difference", "95 %", "p", "won", "lost", "tied", "judged hits"):
        table.add_column(name, justify="right")
    for name, each in results.comparisons.items():
        judged = results.judged_comparisons[name]
        table.add_row(
            name,
            f"{each.difference:+.3f}",
            _interval(each.interval),
            spell_p(each.p_value).removeprefix("p ").removeprefix("= "),
            *(str(count) for count in (each.wins, each.losses, each.ties)),
            f"{judged.difference:+.3f} ({_interval(judged.interval)})",
            style="dim" if name in BASELINES else None,
        )
    return table


def _slices_table(results: Results) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("slice", "queries"):
        table.add_column(name)
    for name in results.systems:
        table.add_column(name, justify="right", overflow="fold")
    kind = ""
    for each in results.slices:
        label = f"{each.slice.kind}: {each.slice.name}" if each.slice.kind != "training" else each.slice.name
        kind, changed = each.slice.kind, each.slice.kind != kind
        if changed and table.row_count:
            table.add_section()
        table.add_row(label, str(len(each.slice.queries)), *(f"{each.means[name]:.3f}" for name in results.systems))
    return table


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:+.3f} to {high:+.3f}"
