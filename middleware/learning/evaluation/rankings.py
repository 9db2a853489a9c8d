"""How good a ranking is against graded judgments, and whether one ranking beats another by more than luck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.learning.evaluation.measures import Qrels, Run, calculate, parse_measures
from middleware.learning.evaluation.significance import compare_paired
from middleware.rerank.backends import FloatArray

Search = Callable[[str, bool], Sequence[str]]
"""(query text, second stage on?) -> product ids, best first; normally a request through the proxy."""

MEASURES = ("nDCG@10", "P@1", "RR@10")
MAIN_MEASURE = MEASURES[0]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Values of measures: `mean` over the queries that have a relevant document, and each query's own."""

    mean: Mapping[str, float]
    by_query: Mapping[str, Mapping[str, float]]

    def values(self, measure: str, queries: Iterable[str] | None = None) -> FloatArray:
        """One measure of `queries`, or of all in the order of their ids; shape (n,)."""
        wanted = sorted(self.by_query) if queries is None else queries
        return np.array([self.by_query[query][measure] for query in wanted], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rankings of the same queries by one measure; `interval` holds the difference of the means at 95 %."""

    before: Evaluation
    after: Evaluation
    difference: float
    interval: tuple[float, float]
    p_value: float
    wins: int
    losses: int
    ties: int
    measure: str = MAIN_MEASURE

    def __str__(self) -> str:
        low, high = self.interval
        before, after = self.before.mean[self.measure], self.after.mean[self.measure]
        return (
            f"{self.measure} {before:.3f} -> {after:.3f}, {self.difference:+.3f} "
            f"(95 % {low:+.3f} to {high:+.3f}, {spell_p(self.p_value)}, {len(self.after.by_query)} queries)"
        )


def spell_p(p_value: float) -> str:
    """As it is usually written: never as 0."""
    return f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"


def evaluate(run: Run, qrels: Qrels, measures: Sequence[str] = MEASURES) -> Evaluation:
    """Measures of `run`, as trec_eval defines them (nDCG with linear gain); see `parse_measures` for their names.

    A query that `run` lacks counts 0; a query without any relevant document is left out.
    """
    by_query = calculate(run, qrels, parse_measures(measures))
    mean = {name: float(np.mean([values[name] for values in by_query.values()] or [0.0])) for name in measures}
    return Evaluation(mean, by_query)


def compare(before: Run, after: Run, qrels: Qrels, *, seed: int = 0) -> Comparison:
    """Both evaluations and how far they are apart by MAIN_MEASURE."""
    return compare_evaluations(evaluate(before, qrels), evaluate(after, qrels), MAIN_MEASURE, seed=seed)


def compare_evaluations(
    before: Evaluation, after: Evaluation, measure: str, queries: Iterable[str] | None = None, *, seed: int = 0
) -> Comparison:
    """The mean difference of the same queries with its interval and test (`compare_paired`): some, or all."""
    wanted = sorted(before.by_query) if queries is None else list(queries)
    paired = compare_paired(before.values(measure, wanted), after.values(measure, wanted), seed=seed)
    return Comparison(
        before,
        after,
        paired.difference,
        paired.interval,
        paired.p_value,
        paired.wins,
        paired.losses,
        paired.ties,
        measure,
    )


def compare_searches(queries: Iterable[tuple[str, str]], qrels: Qrels, search: Search) -> Comparison:
    """Run every (query_id, query text) with the second stage off and on, and compare."""
    before: dict[str, Sequence[str]] = {}
    after: dict[str, Sequence[str]] = {}
    for query_id, text in queries:
        before[query_id], after[query_id] = search(text, False), search(text, True)
    return compare(before, after, {query_id: qrels.get(query_id, {}) for query_id in before})
