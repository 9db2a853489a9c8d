"""From judgments and an index to a fusion model and what it is worth: the story of `es-rerank train fusion`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from middleware.errors import CommandError, ConfigError
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion_file import NAME, write_fusion_model
from middleware.fusion_models.document import read_model
from middleware.fusion_models.hand_set import HandSet
from middleware.fusion_models.trained import Trained
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.fusion.evaluation import (
    Quality,
    Training,
    ablations,
    cross_validate,
    elasticsearch,
    importances,
    measure,
    scores_of,
    split_folds,
)
from middleware.learning.fusion.fields import choose_fields
from middleware.learning.fusion.report import Report
from middleware.learning.fusion.rows import make_rows, matrix
from middleware.learning.fusion.training import AVERAGE, KINDS, Recipe, train
from middleware.learning.fusion.windows import (
    JudgedWindow,
    collect,
    default_features,
    in_index,
    open_source,
    possible_features,
)
from middleware.learning.shop import Shop
from middleware.learning.step_bar import Step

DEFAULT_MONOTONE = ("cross_encoder", "vector_cosine", "vector_cosine_raw")
DEFAULT_UNJUDGED = 0.5
"""By five-fold cross-validation on the Chorus judgments; what it trades is told in the README."""

ALL = "all"

_SLOPE_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a training; empty `features` and `fields`: default_features and choose_fields.

    Among `features`, ALL stands for all that the index offers; `fields` may be patterns.
    """

    recipe: Recipe
    features: Sequence[str] = ()
    fields: Sequence[str] = ()
    unjudged: float = DEFAULT_UNJUDGED
    folds: int = 5
    id_field: str = "_id"
    compares_all: bool = True
    ablates: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The model as its file holds it, what it is worth, and what was said of the judgments."""

    document: Mapping[str, Any]
    report: Report
    remarks: Sequence[str]


def make_fusion(shop: Shop, judgments: Judgments, wish: Wish, step: Step) -> Result:
    """Collect the features of all judged searches, cross-validate, then train on all.

    Raises ConfigError for options that do not fit, CommandError, with counts, where nothing can be learned.
    """
    judgments = in_index(shop, judgments, wish.id_field)
    fields = wish.fields or choose_fields(shop, list(judgments.queries.values()))
    names = _features(shop, wish)
    unknown = set(wish.recipe.monotone) - set(names) - set(DEFAULT_MONOTONE)
    if unknown:
        raise ConfigError("--monotone", ", ".join(sorted(unknown)), f"name features of the model: {', '.join(names)}")
    with open_source(shop, names, fields, wish.id_field) as source:
        windows = collect(source, judgments, step)
    training = Training(replace(wish.recipe, fields=fields), names, judgments.max_grade, wish.unjudged)
    report, document = learn(windows, training, wish, shop.weights, step)
    found = sum(int(np.isfinite(window.grades).sum()) for window in windows)
    looked = f"words are looked for in {', '.join(fields)}"
    remarks = [
        *judgments.remarks(),
        looked,
        f"{found} of {judgments.grades.total()} judged documents are in their windows",
    ]
    return Result({**document, "made_of": _made_of(shop, judgments, wish, windows, report)}, report, remarks)


def _made_of(
    shop: Shop, judgments: Judgments, wish: Wish, windows: Sequence[JudgedWindow], report: Report
) -> dict[str, Any]:
    return {
        "made": time.strftime("%Y-%m-%d"),
        "index": shop.index,
        "judgments": str(judgments),
        "searches": len(windows),
        "window": shop.hits,
        "cross_encoder": shop.settings.find_model(None).source,
        "loss": wish.recipe.loss,
        "unjudged": wish.unjudged,
        "seed": wish.recipe.seed,
        f"cross_validation, {wish.folds} folds": report.summary(),
        "training_queries": [window.query_text for window in windows],
    }


def _features(shop: Shop, wish: Wish) -> list[str]:
    if not wish.features:
        return default_features(shop.settings, shop.index)
    every = possible_features(shop.settings, shop.index)
    return list(dict.fromkeys(name for given in wish.features for name in (every if given == ALL else (given,))))


def learn(
    windows: Sequence[JudgedWindow], training: Training, wish: Wish, weights: Mapping[str, float], step: Step
) -> tuple[Report, dict[str, Any]]:
    """What the model is worth by cross-validation, and the model that all windows taught."""
    rows = make_rows(
        windows, training.names, training.max_grade, training.unjudged
    )  # says at once where there is nothing
    folds = split_folds(windows, wish.folds, wish.recipe.seed)
    qualities = [
        measure("Elasticsearch's order", windows, elasticsearch),
        measure("hand-set weights", windows, scores_of(HandSet(weights))),
    ]
    chosen = training.recipe.kind
    for kind in (*KINDS, AVERAGE) if wish.compares_all else (chosen,):
        each = replace(training, recipe=replace(training.recipe, kind=kind))
        qualities.append(measure(kind, windows, cross_validate(windows, folds, each, step)))
    step("training on all", 0, 1)
    document = with_profile(train(rows, training.recipe), windows, weights)
    model = read_model(document)
    step("training on all", 1, 1)
    without = _ablate(windows, folds, training, step) if wish.ablates else []
    return Report(qualities, importances(model, windows), without, chosen), document


def with_profile(
    document: Mapping[str, Any], windows: Sequence[JudgedWindow], weights: Mapping[str, float]
) -> dict[str, Any]:
    """The document with what a profile adds, which judgments without users cannot teach.

    Beside the cross-encoder's score it counts as much as the hand-set weights say: their ratio times the mean slope of
    the logit by that score. Nothing is added where the model does not rise with it.
    """
    model = read_model(document)
    slope, base = _slope(model, windows), weights.get("cross_encoder", 0.0)
    if slope <= 0 or base <= 0:
        return dict(document)
    profile = {name: slope * weights[name] / base for name in PROFILE_FEATURES if weights.get(name)}
    return {**document, "profile": profile} if profile else dict(document)


def save(result: Result, output: Path) -> Path:
    """Write the model: into the file, or under its usual name into a folder. Raises CommandError."""
    path = output if output.suffix == ".json" else output / NAME
    try:
        write_fusion_model(path, result.document)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    return path


def _slope(model: Trained, windows: Sequence[JudgedWindow]) -> float:
    """By how much the logit rises with the cross-encoder's score, on average, per 1."""
    if "cross_encoder" not in model.columns:
        return 0.0
    values = np.concatenate([matrix(window, model.columns) for window in windows])
    above, below = values.copy(), values.copy()
    place = model.columns.index("cross_encoder")
    above[:, place] = np.minimum(values[:, place] + _SLOPE_STEP, 1)
    below[:, place] = np.maximum(values[:, place] - _SLOPE_STEP, 0)
    return float(np.mean((model.logits(above) - model.logits(below)) / (above[:, place] - below[:, place])))


def _ablate(
    windows: Sequence[JudgedWindow], folds: Sequence[Sequence[int]], training: Training, step: Step
) -> list[Quality]:
    qualities = []
    sources = ablations(training.names)
    for done, (source, names) in enumerate(sources.items()):
        step("leaving sources out", done, len(sources))
        scores = cross_validate(windows, folds, replace(training, names=names))
        qualities.append(measure(source, windows, scores))
    return qualities
