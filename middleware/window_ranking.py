"""One window's way through the second stage: what the model reads of it, its features, its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.errors import DeadlineExceeded
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion import FloatArray, scale_first_stage
from middleware.fusion_models import FusionModel
from middleware.personal_order import BoundStop, bind_order
from middleware.personalization.features import profile_features
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored
from middleware.rerank.engine import Engine
from middleware.rerank.reading import Ending, Reading, Stop
from middleware.rerank.vector_reader import Pending, VectorReader
from middleware.rerank.vectors import HitVectors
from middleware.search.plan import Plan
from middleware.search.window import Window

Features = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Fetching:
    """The vectors of a window, on their way, and until when they are waited for (seconds, monotonic)."""

    reader: VectorReader
    pending: Pending
    deadline: float

    def wait(self, until: float) -> HitVectors | None:
        """None where there are none by `until`, or by the deadline."""
        return self.reader.read(self.pending, min(until, self.deadline))


@dataclass(frozen=True, slots=True)
class Task:
    """A window to be scored: its place among the request's searches, and the key under which it is remembered.

    `is_spared`: no profile may join, since the query names a product. `is_renewed`: its ranking replaces the one that
    is remembered.
    """

    place: int
    plan: Plan
    window: Window
    key: bytes = b""
    is_spared: bool = False
    fetching: Fetching | None = None
    is_renewed: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A task on its way through the model; `estimates` of its scores, shape (n,), where not all of them are read.

    `vectors`: of a window with estimates, where there are any: what is read depends on them.
    """

    task: Task
    reading: Reading
    estimates: FloatArray | None
    vectors: HitVectors | None = None


def begin(task: Task, engine: Engine, profile: Profile | None, until: float) -> Begun:
    """What to read of a window: all of it in Elasticsearch's order, or with estimates the best of it first.

    `until`: seconds, monotonic.
    """
    plan, window = task.plan, task.window
    cascade, count = plan.variant.cascade, len(window.document_texts)
    whole = Begun(task, Reading(np.arange(len(window.passages)), len(window.passages)), None)
    if not cascade.enabled or plan.wish.limits_hits or count <= cascade.page:
        return whole
    first_stage = scale_first_stage(window.first_stage_scores)
    estimates = engine.estimate(plan.query_text, window.document_texts, first_stage, cascade.certainty)
    if estimates is None:
        return whole
    profile = _welcome(task, profile)
    vectors = _wait(task, profile, until)
    others = _features(task, vectors, profile)
    order, _ = _order({**others, "cross_encoder": estimates.scores}, np.arange(count), plan, profile)
    stop = _stop(plan, others, estimates.uppers, profile) if cascade.early_stop else None
    reading = Reading(np.array(order), min(cascade.depth or estimates.depth, count), stop)
    return Begun(task, reading, estimates.scores, vectors)


def _stop(plan: Plan, others: Features, uppers: FloatArray, profile: Profile | None) -> Ending | None:
    """When the page is decided; None for a model of which that cannot be said."""
    model, page, most = plan.variant.fusion.model, plan.variant.cascade.page, plan.variant.personal.most_ranks
    if not model.is_monotone_in("cross_encoder"):
        return None
    whole = _stop_of(model, others, uppers, page)
    if profile is None or most is None:
        return whole
    return BoundStop(whole, _stop_of(model, _impersonal(others), uppers, page + most), most)


def _stop_of(model: FusionModel, others: Features, uppers: FloatArray, page: int) -> Stop:
    def fuse(places: NDArray[np.intp], scores: FloatArray) -> FloatArray:
        part = {name: values[places] for name, values in others.items()}
        return model.fuse({**part, "cross_encoder": scores})

    return Stop(fuse, fuse(np.arange(len(uppers)), uppers), page)


def finish(begun: Begun, model: str, profile: Profile | None, until: float) -> Scored | DeadlineExceeded:
    """The order of what was read, by fused score, and behind it of what was estimated."""
    task, scores = begun.task, np.array(begun.reading.scores)
    plan, window = task.plan, task.window
    read = begun.reading.order[: len(scores)]
    if begun.estimates is None:
        cross_encoder = window.best_of_passages(scores)
        read = np.arange(len(cross_encoder))
    else:
        cross_encoder = begun.estimates.copy()
        cross_encoder[read] = scores
    if not len(read):
        return DeadlineExceeded(f"{model} did not score the first of {len(window.document_texts)} hits in time")
    profile = _welcome(task, profile)
    vectors = _wait(task, profile, until) if begun.estimates is None else begun.vectors
    made = _features(task, vectors, profile)
    features = {"cross_encoder": cross_encoder} | {name: values[: len(cross_encoder)] for name, values in made.items()}
    order, impersonal = _order(features, read, plan, profile)
    texts = window.document_texts[: len(cross_encoder)]
    fused = plan.variant.fusion.model.fuse(features)
    return Scored(features, fused, order, len(read), texts, model, profile, impersonal, task.is_spared)


def _order(
    features: Features, read: NDArray[np.intp], plan: Plan, profile: Profile | None
) -> tuple[list[int], list[int] | None]:
    """The positions of the window, those that were read first, and their order without the profile, if there is one.

    Each part is ordered apart: no profile brings a hit that was not read before one that was.
    """
    model = plan.variant.fusion.model
    fused = model.fuse(features)
    is_unread = np.ones(len(fused))
    is_unread[read] = 0
    if profile is None:
        return _best_first(fused, is_unread), None
    impersonal = _best_first(model.fuse(_impersonal(features)), is_unread)
    most = plan.variant.personal.most_ranks
    parts = impersonal[: len(read)], impersonal[len(read) :]
    return [position for part in parts for position in bind_order(part, fused, most)], impersonal


def _best_first(fused: FloatArray, is_unread: FloatArray) -> list[int]:
    order: list[int] = np.lexsort((-fused, is_unread)).tolist()  # stable: equal ones keep Elasticsearch's order
    return order


def _impersonal(features: Features) -> Features:
    return {name: values for name, values in features.items() if name not in PROFILE_FEATURES}


def _features(task: Task, vectors: HitVectors | None, profile: Profile | None) -> dict[str, FloatArray]:
    """The features of a whole window but for cross_encoder."""
    maker, window = task.plan.variant.fusion.maker, task.window
    cosines = vectors.cosines if vectors is not None and task.plan.variant.wants_cosines else None
    features = maker.make(window.evidence(task.plan.query_text, cosines))
    if profile is None:
        return features
    ours = vectors if task.plan.variant.wants_user_cosines else None
    return features | profile_features(profile, window.hit_fields, window.object_ids, ours)


def _welcome(task: Task, profile: Profile | None) -> Profile | None:
    """The profile where it may join the ranking."""
    return profile if task.plan.variant.wants_profile and not task.is_spared else None


def _wait(task: Task, profile: Profile | None, until: float) -> HitVectors | None:
    """The vectors, where any feature is made of them."""
    variant = task.plan.variant
    if task.fetching is None or not (variant.wants_cosines or (profile and variant.wants_user_cosines)):
        return None
    return task.fetching.wait(until)
