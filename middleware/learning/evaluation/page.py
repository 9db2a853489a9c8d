"""The report of an evaluation as one HTML page that needs nothing else and reads on a phone, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from middleware.learning.evaluation.plots import plot_gains, plot_latency, plot_windows
from middleware.learning.evaluation.rankings import Comparison, Evaluation, spell_p
from middleware.learning.evaluation.results import BASELINES, Results, System
from middleware.learning.evaluation.terminal import generalisation_lines, median_ms, remarks, spell_interval, times_note
from middleware.learning.pages.page import document, table

SHOWN_QUERIES = 2000
ALPHA = 0.05


def make_page(results: Results) -> str:
    """The whole document."""
    title = f"{results.index}: {results.main_measure} on {len(results.judgments.qrels)} queries"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_lead(results),
        "<h2>Measures</h2>",
        f"<p>Unjudged documents count as grade 0. 95 % intervals of {escape(results.main_measure)} by bootstrap.</p>",
        _measures_table(results, judged_only=False),
        f"<p>On the judged hits of the first {results.hits} alone, all others taken out:</p>",
        _measures_table(results, judged_only=True),
        f"<h2>Against {escape(results.baseline)}</h2>",
        _comparisons_table(results),
        *_plots(results),
        *_slices(results),
        *_queries(results),
        *_footnotes(results),
    ]
    return document(title, parts)


def _lead(results: Results) -> Iterator[str]:
    for system in results.variants:
        if system.name == results.baseline:
            continue
        each = results.comparisons[system.name]
        before, after = (known.mean[results.main_measure] for known in (each.before, each.after))
        low = each.interval[0]
        verdict = (
            "better" if low > 0 else "worse" if each.interval[1] < 0 else "not told apart from it by these queries"
        )
        yield (
            f"<p class=lead><b>{escape(system.name)}</b> reaches {after:.3f}, {escape(results.baseline)} {before:.3f}: "
            f"{_signed(each)}, {verdict}.</p>"
        )
    for remark in remarks(results):
        yield f"<p class=warn>{escape(remark)}</p>"


def _verdict(comparison: Comparison) -> str:
    """Only what both the test and the interval say."""
    low, high = comparison.interval
    if comparison.p_value >= ALPHA or low <= 0 <= high:
        return "these queries do not tell them apart"
    return "better by more than luck" if low > 0 else "worse by more than luck"


def _measures_table(results: Results, *, judged_only: bool) -> str:
    def known(system: System) -> Evaluation:
        return system.judged_only if judged_only else system.whole

    systems = list(results.systems.values())
    rows = [[name, *(f"{known(system).mean[name]:.3f}" for system in systems)] for name in results.measures]
    if not judged_only:
        intervals = [spell_interval(results.interval(system.name), signed=False) for system in systems]
        rows.insert(1, ["95 %", *(f"<small>{each}</small>" for each in intervals)])
        rows.append(["unjudged in first 10", *(f"{system.unjudged_share:.0%}" for system in systems)])
        rows.append(["window", *(str(system.window or "") for system in systems)])
        rows.append(["second stage, ms", *(median_ms(system) for system in systems)])
    return table(["", *(escape(system.name) for system in systems)], rows)


def _comparisons_table(results: Results) -> str:
    names = ["", results.main_measure, "95 %", "p", "won", "lost", "tied", "judged hits", "95 %"]
    rows = []
    for name, each in results.comparisons.items():
        judged = results.judged_comparisons[name]
        p_value = spell_p(each.p_value).removeprefix("p ").removeprefix("= ")
        rows.append(
            [
                escape(name),
                f"<b>{each.difference:+.3f}</b>",
                spell_interval(each.interval),
                escape(p_value),
                *(str(count) for count in (each.wins, each.losses, each.ties)),
                f"{judged.difference:+.3f}",
                spell_interval(judged.interval),
            ]
        )
    return table(names, rows)


def _plots(results: Results) -> Iterator[str]:
    shown = [system for system in results.variants if system.name != results.baseline]
    yield "<h2>Query by query</h2><div class=plots>"
    yield from (f"<figure>{plot_gains(results, system)}</figure>" for system in shown)
    yield "</div>"
    others = [plot for plot in (plot_windows(results), plot_latency(results)) if plot]
    if others:
        yield "<h2>Windows and cost</h2><div class=plots>"
        yield from (f"<figure>{plot}</figure>" for plot in others)
        yield "</div>"


def _slices(results: Results) -> Iterator[str]:
    if not results.slices:
        return
    shown = [name for name in results.systems if name not in BASELINES and name != results.baseline]
    columns = ["slice", "queries", *map(escape, results.systems)]
    columns += [f"{escape(name)} − {escape(results.baseline)}, 95 %" for name in shown]
    rows = []
    for each in results.slices:
        means = [f"{each.means[name]:.3f}" for name in results.systems]
        differences = [_signed(each.comparisons[name]) for name in shown]
        label = escape(f"{each.slice.kind}: {each.slice.name}")
        rows.append([label, str(len(each.slice.queries)), *means, *differences])
    yield f"<h2>Kinds of queries</h2><p>{escape(results.main_measure)}, unjudged as 0.</p>"
    yield table(columns, rows)
    yield from (f"<p>{escape(line[0].upper() + line[1:])}.</p>" for line in generalisation_lines(results))


def _queries(results: Results) -> Iterator[str]:
    """Best gain first, of the first variant that is not the baseline."""
    main, base = results.main_measure, results.systems[results.baseline].whole.by_query
    shown = [system for system in results.variants if system.name != results.baseline]
    if not shown:
        return
    gain = {query: shown[0].whole.by_query[query][main] - base[query][main] for query in results.judgments.queries}
    ordered = sorted(gain, key=lambda query: -gain[query])
    columns = ["query", "judged", *map(escape, results.systems), f"gain of {escape(shown[0].name)}"]
    rows = [
        [
            escape(results.judgments.queries[query]),
            str(len(results.judgments.qrels[query])),
            *(f"{system.whole.by_query[query][main]:.3f}" for system in results.systems.values()),
            f'<span class="{_sign(gain[query])}">{gain[query]:+.3f}</span>',
        ]
        for query in ordered[:SHOWN_QUERIES]
    ]
    more = (
        f", the first {SHOWN_QUERIES} of {len(ordered)}; all are in per_query.tsv" if len(rows) < len(ordered) else ""
    )
    yield f"<h2>All queries</h2><details><summary>{len(rows)} queries by gain{more}</summary>"
    yield f"{table(columns, rows)}</details>"


def _footnotes(results: Results) -> Iterator[str]:
    yield "<h2>How this was measured</h2>"
    yield f"<p>{escape(str(results.judgments))}. Index {escape(results.index)}, {escape(results.how)}.</p><ul>"
    for system in results.systems.values():
        yield f"<li><b>{escape(system.name)}</b>: {escape(system.note)}</li>"
    yield (
        "</ul><p>Measures are trec_eval's, through ir-measures: nDCG has a linear gain; F1 is the harmonic mean of P "
        "and R; Accuracy@1 is the share of queries whose first hit is relevant, with rel=g of at least grade g. "
        f"{times_note(results)} p: paired randomisation test, two-sided; intervals: 20,000 bootstrap "
        "samples of the queries. The best order possible is that of the judgments themselves.</p>"
    )


def _signed(comparison: Comparison) -> str:
    return f"{comparison.difference:+.3f} <small>({spell_interval(comparison.interval)})</small>"


def _sign(gain: float) -> str:
    return "won" if gain > 0 else "lost" if gain < 0 else "tied"
