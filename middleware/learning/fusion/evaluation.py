"""Whether a fusion model orders judged searches better, by cross-validation: no query is judged by what it taught."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.errors import ConfigError
from middleware.features.words import word_set
from middleware.fusion import FloatArray, rank
from middleware.fusion_models import FusionModel
from middleware.fusion_models.document import read_model
from middleware.learning.evaluation.measures import condense
from middleware.learning.evaluation.rankings import Comparison, Evaluation, compare_evaluations, evaluate
from middleware.learning.fusion.rows import make_rows
from middleware.learning.fusion.training import Recipe, train
from middleware.learning.fusion.windows import JudgedWindow
from middleware.learning.step_bar import Step

MEASURE = "nDCG@10"
Scores = Callable[[JudgedWindow], FloatArray]
"""Fused scores of a window's hits, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Training:
    """A recipe with its judgments: the features, the highest grade, the weight of unjudged hits."""

    recipe: Recipe
    names: Sequence[str]
    max_grade: int
    unjudged: float


@dataclass(frozen=True, slots=True)
class Quality:
    """nDCG@10 of one way to order the windows: unjudged hits as not relevant, and without them."""

    name: str
    unjudged_as_0: Evaluation
    judged_only: Evaluation

    def against(self, baseline: Quality) -> tuple[Comparison, Comparison]:
        """What it gains over another, by both measures."""
        return (
            compare_evaluations(baseline.unjudged_as_0, self.unjudged_as_0, MEASURE),
            compare_evaluations(baseline.judged_only, self.judged_only, MEASURE),
        )


def measure(name: str, windows: Sequence[JudgedWindow], scores: Scores) -> Quality:
    """The quality of an order by scores; a query without a relevant judgment is left out.

    Judged hits only: the hits without a judgment are taken out first, and what was not found counts as missed.
    """
    run = {window.query_id: [window.document_ids[place] for place in rank(scores(window))] for window in windows}
    qrels = {window.query_id: dict(window.judged) for window in windows}
    return Quality(name, evaluate(run, qrels, (MEASURE,)), evaluate(condense(run, qrels), qrels, (MEASURE,)))


def elasticsearch(window: JudgedWindow) -> FloatArray:
    """Scores that leave Elasticsearch's order as it is."""
    return -np.arange(len(window), dtype=np.float64)


def scores_of(model: FusionModel) -> Scores:
    """The fused scores that the proxy would serve."""
    return lambda window: model.fuse(window.features)


def split_folds(windows: Sequence[JudgedWindow], folds: int, seed: int) -> list[list[int]]:
    """Places of the windows of each fold, as even as can be; see find_families for what is in the same one.

    Raises ConfigError where there are fewer different queries than folds.
    """
    families = find_families([window.query_text for window in windows], len(windows) // folds)
    if not 2 <= folds <= len(families):
        raise ConfigError("--folds", folds, f"give a number from 2 to {len(families)}, the different queries there are")
    np.random.default_rng(seed).shuffle(families)
    found: list[list[int]] = [[] for _ in range(folds)]
    for family in sorted(families, key=len, reverse=True):
        min(found, key=len).extend(family)
    return found


def find_families(queries: Sequence[str], most: int) -> list[list[int]]:
    """Places of the queries of each family; one whose words (word_set) are all in another's is in its family.

    Laptop, laptops and bag for laptops are one: what is learned of one of them is true of the others, so that a fold
    with some of them is no test of a model that saw the rest. Among many queries words such as `red` link nearly all;
    so the closest come together first, and beyond `most` only those of the very same words.
    """
    words = [word_set(query) for query in queries]
    families = {place: [place] for place in range(len(queries))}
    family_of = list(range(len(queries)))
    for difference, place, other in sorted(_contained(words)):
        mine, its = family_of[place], family_of[other]
        if mine == its or (difference and len(families[mine]) + len(families[its]) > most):
            continue
        for member in families[its]:
            family_of[member] = mine
        families[mine] += families.pop(its)
    return sorted(map(sorted, families.values()))


def _contained(words: Sequence[frozenset[int]]) -> Iterator[tuple[int, int, int]]:
    """Pairs of places, where all words of the first are in the second; before them how many more the second has."""
    having: defaultdict[int, list[int]] = defaultdict(list)
    for place, mine in enumerate(words):
        for word in mine:
            having[word].append(place)
    for place, mine in enumerate(words):
        for other in min((having[word] for word in mine), key=len, default=()):
            if other != place and mine <= words[other]:
                yield len(words[other]) - len(mine), place, other


def cross_validate(
    windows: Sequence[JudgedWindow], folds: Sequence[Sequence[int]], training: Training, step: Step | None = None
) -> Scores:
    """Scores of each window by the model that did not see it."""
    scores: dict[str, FloatArray] = {}
    for done, held_out in enumerate(folds):
        if step:
            step(f"cross-validating {training.recipe.kind}", done, len(folds))
        seen = [window for place, window in enumerate(windows) if place not in set(held_out)]
        model = read_model(
            train(make_rows(seen, training.names, training.max_grade, training.unjudged), training.recipe)
        )
        scores |= {windows[place].query_id: model.fuse(windows[place].features) for place in held_out}
    return lambda window: scores[window.query_id]


def importances(model: FusionModel, windows: Iterable[JudgedWindow]) -> dict[str, float]:
    """Each feature's share of what sets the hits of a search apart, the greatest first; they add up to 1.

    It is the mean over the searches of the standard deviation of the feature's contributions.
    """
    spreads: dict[str, list[float]] = {}
    for window in windows:
        for name, parts in model.contributions(window.features).parts.items():
            spreads.setdefault(name, []).append(float(np.std(parts)))
    means = {name: float(np.mean(values)) for name, values in spreads.items()}
    total = sum(means.values()) or 1.0
    return {name: means[name] / total for name in sorted(means, key=lambda each: -means[each])}


def ablations(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """What is left without each source of features: its name -> the others."""
    sources = {
        "cross-encoder": ["cross_encoder"],
        "vectors": [name for name in names if name.startswith("vector_")],
        "first stage": [name for name in names if name.startswith("first_stage")],
        "words of all fields": [name for name in names if name in ("match", "phrase")],
        "words field by field": [name for name in names if "." in name],
        "model number": ["model_number"],
        "brand": ["brand_match"],
        "price": [name for name in names if name.startswith("price_")],
        "popularity": ["popularity"],
        "freshness": ["freshness"],
    }
    without = {source: [name for name in names if name not in gone] for source, gone in sources.items()}
    return {source: left for source, left in without.items() if 0 < len(left) < len(names)}
