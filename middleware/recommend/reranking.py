"""Candidates through the second stage of searches: the liked product's name is the query, or the profile decides."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from middleware.config import CONTROL, IndexSettings, Settings
from middleware.errors import RerankError
from middleware.experiments.assign import Assignment, ResolvedVariant, resolve
from middleware.fusion import FloatArray, scale_first_stage
from middleware.fusions import Fusion
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored
from middleware.rerank.vectors import HitVectors
from middleware.search.document import parse_template, read_values
from middleware.search.hits import SearchResponse, read_answer
from middleware.search.plan import Plan, make_plan
from middleware.search.reasons import Reason
from middleware.search.request import Search
from middleware.search.window import read_window
from middleware.second_stage import Outcome, Reader, SecondStage
from middleware.verdict import Verdict, judge

_MAX_NAME_CHARS = 300
# Planning wants a text; where a profile alone decides, no model reads it.
_NO_TEXT = "-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """How relevant each candidate is, shape (n,), in [0, 1], and what became of it in the second stage."""

    relevance: FloatArray
    verdict: Verdict


class Reranking:
    """Fails open: the candidates' own order is relevance enough."""

    def __init__(self, settings: Settings, second_stage: SecondStage, fusions: Mapping[str, Fusion | None]) -> None:
        self._settings, self._second_stage, self._fusions = settings, second_stage, fusions

    def wanted_fields(self, section: IndexSettings, assignment: Assignment) -> tuple[str, ...]:
        """What of a candidate's source is read."""
        variant = self._resolve(section, assignment)
        names: list[str] = [*parse_template(section.template).fields, *section.features.names]
        if section.vectors is not None:
            names += parse_template(section.vectors.template or section.template).fields
        if variant is not None and variant.trained:
            names += (*variant.trained.maker.text_fields, *section.features.of(variant.trained.maker.hit_fields))
        id_field = self._settings.profiles.id_field
        return tuple(dict.fromkeys([*names, *([id_field] if id_field else [])]))

    def judge(
        self,
        index: str,
        assignment: Assignment,
        candidates: Sequence[tuple[Mapping[str, Any], float]],
        query_text: str | None,
        reader: Reader,
        taste: Taste | None,
        budget_ms: float,
    ) -> Judged:
        """Score hits with their candidates' scores, best first. `query_text`: the liked product's name."""
        own = scale_first_stage(np.array([score for _, score in candidates], dtype=np.float64))
        if assignment.variant in (None, CONTROL):
            return Judged(own, Verdict("skipped", Reason.OFF if assignment.off else Reason.CONTROL, assignment.variant))
        plan, response = self._plan(index, str(assignment.variant), candidates, query_text or _NO_TEXT)
        if query_text is None:
            if taste is None:
                return Judged(own, Verdict("skipped", Reason.NO_QUERY_TEXT, plan.variant.name))
            return _judge_by_taste(plan, response, taste, own, self._settings.profiles.id_field)
        outcome = self._rerank(plan, response, reader, budget_ms)
        return Judged(_relevance(outcome, own), judge(plan, outcome))

    def _resolve(self, section: IndexSettings, assignment: Assignment) -> ResolvedVariant | None:
        if assignment.variant is None:
            return None
        return resolve(assignment.variant, section, self._settings, self._fusions)

    def _plan(
        self, index: str, variant: str, candidates: Sequence[tuple[Mapping[str, Any], float]], text: str
    ) -> tuple[Plan, SearchResponse]:
        body = {"query": {"match_all": {}}, "ext": {"rerank": {"query_text": text}}}
        indices = tuple(index.split(","))
        plan = make_plan(Search(indices, {}, body, {}), variant, self._settings, fusions=self._fusions)
        if not isinstance(plan, Plan):
            raise RerankError(f"recommendations on {index} cannot be planned: {plan.reason}")
        # The name of a product stands for its kind here: that it names one is no reason to spare it the profile.
        personal = plan.variant.personal.model_copy(update={"spare_navigational": False})
        plan = replace(plan, variant=replace(plan.variant, window=len(candidates), personal=personal))
        hits = [{**hit, "_score": score} for hit, score in candidates]
        response = read_answer(json.dumps({"hits": {"hits": hits}}), is_multi=False).responses[0]
        assert isinstance(response, SearchResponse)
        return plan, response

    def _rerank(self, plan: Plan, response: SearchResponse, reader: Reader, budget_ms: float) -> Outcome:
        if budget_ms <= 0:
            return RerankError("no time was left for the model")
        try:
            (outcome,) = self._second_stage.rerank([(plan, response)], reader, budget_ms)
        except Exception as error:  # noqa: BLE001  candidates are there: a bug of ours must not cost their answer
            _log.exception("recommendations in their own order")
            return RerankError(str(error))
        return outcome


@dataclass(frozen=True, slots=True)
class Taste:
    """A profile, and the vectors of the candidates; None where there are none."""

    profile: Profile
    vectors: HitVectors | None


def name_of(product: Mapping[str, Any], section: IndexSettings) -> str:
    """What the product is called: the first field of the document's text that it has."""
    for path in parse_template(section.template).fields:
        values = [str(value) for value in read_values(product.get("_source"), path)]
        if text := " ".join(" ".join(values).split()):
            return text[:_MAX_NAME_CHARS]
    return ""


def fields_of(hit: Mapping[str, Any], section: IndexSettings) -> HitFields:
    """Brand, category and price of a hit."""
    source, features = hit.get("_source"), section.features
    return read_hit_fields({path: read_values(source, path) for path in features.names}, features)


def _judge_by_taste(
    plan: Plan, response: SearchResponse, taste: Taste, own: FloatArray, id_field: str | None
) -> Judged:
    window = read_window(plan, response, has_profile=True, id_field=id_field)
    if isinstance(window, Reason):
        return Judged(own, Verdict("skipped", window, plan.variant.name))
    fusion = plan.variant.fusion
    features = dict(fusion.maker.make(window.evidence("")))
    features |= profile_features(taste.profile, window.hit_fields, window.object_ids, taste.vectors)
    count = len(own)
    return Judged(fusion.model.fuse(features), Verdict("applied", None, plan.variant.name, None, count, 0))


def _relevance(outcome: Outcome, own: FloatArray) -> FloatArray:
    """Fused scores; what there was no time for comes after what was read, in its own order."""
    if not isinstance(outcome, Scored):
        return own
    known = np.minimum.accumulate(outcome.fused_scores[list(outcome.order)])
    relevance = own * (known.min() if len(known) else 1.0)
    relevance[list(outcome.order)] = known
    return relevance
