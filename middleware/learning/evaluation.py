"""How good a ranking is against graded judgments, and whether one ranking beats another by more than luck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.errors import CommandError

Qrels = Mapping[str, Mapping[str, int]]
"""query_id -> document id -> grade; a document that is not there was not judged and counts as grade 0."""
Run = Mapping[str, Sequence[str]]
"""query_id -> document ids, best first."""
Search = Callable[[str, bool], Sequence[str]]
"""(query text, second stage on?) -> product ids, best first; normally a request through the proxy."""

MEASURES = ("nDCG@10", "P@1", "RR@10")
MAIN_MEASURE = MEASURES[0]
PERMUTATIONS = 20_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Values of MEASURES: `mean` over the queries that have a relevant document, and each query's own."""

    mean: Mapping[str, float]
    by_query: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rankings of the same queries by MAIN_MEASURE; `interval` holds the difference of the means at 95 %."""

    before: Evaluation
    after: Evaluation
    difference: float
    interval: tuple[float, float]
    p_value: float

    def __str__(self) -> str:
        low, high = self.interval
        p_value = f"p = {self.p_value:.3f}" if self.p_value >= 0.001 else "p < 0.001"
        before, after = self.before.mean[MAIN_MEASURE], self.after.mean[MAIN_MEASURE]
        return (
            f"{MAIN_MEASURE} {before:.3f} -> {after:.3f}, {self.difference:+.3f} "
            f"(95 % {low:+.3f} to {high:+.3f}, {p_value}, {len(self.after.by_query)} queries)"
        )


def evaluate(run: Run, qrels: Qrels) -> Evaluation:
    """MEASURES of `run`, as trec_eval defines them (nDCG with linear gain).

    A query that `run` lacks counts 0; a query without any relevant document is left out.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise CommandError("ir-measures is not installed; pip install 'es-rerank[train]'") from error
    judged = {query: dict(grades) for query, grades in qrels.items() if max(grades.values(), default=0) > 0}
    scored = {
        query: {document: float(-rank) for rank, document in enumerate(documents)}
        for query, documents in run.items()
        if query in judged and documents
    }
    by_query = {query: dict.fromkeys(MEASURES, 0.0) for query in judged}
    if scored:
        measures = [ir_measures.parse_measure(name) for name in MEASURES]
        for found in ir_measures.iter_calc(measures, judged, scored):
            by_query[found.query_id][str(found.measure)] = float(found.value)
    mean = {name: float(np.mean([values[name] for values in by_query.values()] or [0.0])) for name in MEASURES}
    return Evaluation(mean, by_query)


def compare(before: Run, after: Run, qrels: Qrels, *, seed: int = 0) -> Comparison:
    """Both evaluations and the mean difference with a bootstrap interval and a two-sided paired randomisation test.

    The test: Smucker, Allan, Carterette, A Comparison of Statistical Significance Tests for IR Evaluation, CIKM 2007.
    """
    evaluations = evaluate(before, qrels), evaluate(after, qrels)
    first, second = (
        np.array([each.by_query[query][MAIN_MEASURE] for query in sorted(each.by_query)]) for each in evaluations
    )
    differences = second - first
    if not differences.size:
        return Comparison(*evaluations, 0.0, (0.0, 0.0), 1.0)
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), size=(PERMUTATIONS, differences.size))
    by_chance = np.abs((signs * differences).mean(axis=1)) >= abs(differences.mean()) - 1e-12
    samples = rng.choice(differences, size=(PERMUTATIONS, differences.size)).mean(axis=1)
    low, high = np.percentile(samples, (2.5, 97.5))
    p_value = (int(by_chance.sum()) + 1) / (PERMUTATIONS + 1)
    return Comparison(*evaluations, float(differences.mean()), (float(low), float(high)), p_value)


def compare_searches(queries: Iterable[tuple[str, str]], qrels: Qrels, search: Search) -> Comparison:
    """Run every (query_id, query text) with the second stage off and on, and compare."""
    before: dict[str, Sequence[str]] = {}
    after: dict[str, Sequence[str]] = {}
    for query_id, text in queries:
        before[query_id], after[query_id] = search(text, False), search(text, True)
    return compare(before, after, {query_id: qrels.get(query_id, {}) for query_id in before})
