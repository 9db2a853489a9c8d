"""Rankings that a second stage has to beat: chance, and the bi-encoder; and the best order that a window allows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from middleware.learning.evaluation.measures import Qrels, Run, condense, unjudged_shares
from middleware.learning.evaluation.rankings import Evaluation, evaluate
from middleware.rerank.backends import FloatArray

SHUFFLES = 20
"""Enough that the mean over queries moves by a thousandth from seed to seed; the report names it."""


def shuffled(run: Run, window: int, seed: int) -> dict[str, list[str]]:
    """The first `window` hits of each query in an order drawn at random; the others stay behind them."""
    rng, drawn = random.Random(seed), {}
    for query, hits in run.items():
        head = list(hits[:window])
        rng.shuffle(head)
        drawn[query] = [*head, *hits[window:]]
    return drawn


def evaluate_chance(
    run: Run, window: int, qrels: Qrels, measures: Sequence[str]
) -> tuple[Evaluation, Evaluation, Mapping[str, float]]:
    """What chance gives on average: each query's mean over SHUFFLES seeds; judged hits only beside it.

    And the share of unjudged hits in the first ten.
    """
    runs = [shuffled(run, window, seed) for seed in range(SHUFFLES)]
    whole = _mean([evaluate(each, qrels, measures) for each in runs])
    judged_only = _mean([evaluate(condense(each, qrels), qrels, measures) for each in runs])
    shares = [unjudged_shares(each, qrels) for each in runs]
    return whole, judged_only, {query: float(np.mean([each[query] for each in shares])) for query in shares[0]}


def best_order(run: Run, window: int, qrels: Qrels) -> dict[str, list[str]]:
    """The first `window` hits by their grades: what no second stage can exceed on this first stage."""
    return {
        query: [*sorted(hits[:window], key=lambda hit: -qrels[query].get(hit, 0)), *hits[window:]]
        for query, hits in run.items()
    }


def by_cosine(hits: Sequence[str], cosines: FloatArray, window: int) -> list[str]:
    """The first `window` hits by their cosines, shape (n,), n >= min(window, hits); the others stay behind them."""
    order = np.argsort(-cosines[:window], kind="stable")
    return [*(hits[place] for place in order), *hits[window:]]


def embed_windows(windows: Sequence[tuple[str, Sequence[str]]]) -> Iterable[FloatArray]:
    """Of each (query text, document texts) the cosines, shape (n,), by the starter bi-encoder.

    Each text is embedded once. Raises CommandError where the starter weights are not installed.
    """
    from middleware.learning.starter import embed

    texts = list(dict.fromkeys(text for query, documents in windows for text in (query, *documents)))
    vectors = embed(texts) if texts else np.zeros((0, 1))
    places = {text: place for place, text in enumerate(texts)}
    for query, documents in windows:
        rows = [places[text] for text in documents]
        yield vectors[rows] @ vectors[places[query]] if rows else np.zeros(0)


def _mean(evaluations: Sequence[Evaluation]) -> Evaluation:
    first = evaluations[0]
    by_query = {
        query: {name: float(np.mean([each.by_query[query][name] for each in evaluations])) for name in values}
        for query, values in first.by_query.items()
    }
    mean = {name: float(np.mean([each.mean[name] for each in evaluations])) for name in first.mean}
    return Evaluation(mean, by_query)
