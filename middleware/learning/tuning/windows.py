"""Judged searches as any configuration would see them, everything made once: another window, template or model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from middleware.errors import CommandError, ConfigError, RerankError
from middleware.experiments.assign import ResolvedVariant
from middleware.features.maker import PlainMaker
from middleware.fusion import FloatArray
from middleware.fusion_models.hand_set import HandSet
from middleware.fusions import Fusion
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.searches import read_ids
from middleware.learning.fusion.windows import JudgedWindow, Source
from middleware.learning.step_bar import Step
from middleware.ranking import Scored
from middleware.rerank.score_memory import ScoreMemory
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.sections import Sections
from middleware.second_stage import Reader, SecondStage

LEARNED, OWN = "learned", "own"
"""Whose features are made: those that a fusion model may learn from, or those that the variant's own fusion reads."""

_PATIENCE_MS = 600_000
# Of features, 8 bytes each.
_MOST_VALUES = 64_000_000
_CROSS_ENCODER_ALONE = Fusion(HandSet({"cross_encoder": 1.0}), PlainMaker(wants_vectors=False))


@dataclass(frozen=True, slots=True)
class Found:
    """A judged query's search, the largest window long: its plan, the answer, the ids that judgments name."""

    query_id: str
    plan: Plan
    response: SearchResponse
    document_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """A model with the stage that asks it, and its engine's memory; `key` tells it from others."""

    key: str
    stage: SecondStage
    memory: ScoreMemory


@dataclass(slots=True)
class _Read:
    """What a cross-encoder made of one search under one template: scores of its first hits.

    `pairs` that the engine did not remember took `seconds`.
    """

    scores: FloatArray
    seconds: float = 0.0
    pairs: int = 0


class Windows:
    """Searches of judged queries, remembered with all that was made of them, of any size up to the largest.

    The second stage itself makes everything, features with the variant's own template, scores with any: what differs
    between two configurations is made anew, the rest is taken as it is.
    """

    def __init__(self, source: Source, own: ResolvedVariant, template: str, memory: ScoreMemory) -> None:
        """`own`: the variant as rerank.yml has it; `template`: the index's; `memory`: the source's engine's."""
        self._source = source
        self._template = template
        whole = source.variant
        self._variants = {
            LEARNED: whole,
            OWN: replace(own, cascade=whole.cascade),
            "scores": replace(whole, trained=_CROSS_ENCODER_ALONE),
        }
        self.own_model = CrossEncoder("own", source.stage, memory)
        self._found: dict[str, Found | None] = {}
        self._features: dict[tuple[str, int], dict[str, Mapping[str, FloatArray]]] = {}
        self._values = 0
        self._scores: dict[tuple[str, str, str], _Read] = {}

    def search(self, judgments: Judgments, step: Step) -> None:
        """Run the searches of these queries. Raises CommandError, with counts, where none of them finds anything."""
        wanted = [query for query in judgments.queries if query not in self._found]
        for done, query in enumerate(wanted):
            step("searching", done, len(wanted))
            plan, response = self._source.shop.search(judgments.queries[query])
            ids = read_ids(response.hits, self._source.id_field)
            self._found[query] = Found(query, plan, response, ids) if ids else None
        if not any(self._found[query] for query in judgments.queries):
            index = self._source.shop.index
            raise CommandError(f"{index}: none of {len(judgments.queries)} judged queries finds anything; see --search")

    def check_fields(self) -> None:
        """Raises ConfigError where the template does not decide what the model reads, so that none can be searched."""
        plans = [found.plan for found in self._found.values() if found]
        if any(plan.wish.fields for plan in plans):
            raise ConfigError("--what", "fields", "the search itself names the fields to read; see --search")
        if any(len(plan.sections.candidates) > 1 for plan in plans):
            raise ConfigError(
                "--what", "fields", "the index is covered by several sections of indices; name one's index"
            )

    def hits(self, query_id: str) -> Sequence[str]:
        """The ids of all that was found, in Elasticsearch's order."""
        found = self._found[query_id]
        return found.document_ids if found else ()

    def digest(self) -> str:
        """Of all that was found so far and what stands in it."""
        digest = hashlib.blake2b(digest_size=16)
        for query_id, found in sorted(self._found.items()):
            texts = [(hit.name[1], hit.decoded("_source")) for hit in found.response.hits] if found else []
            digest.update(repr((query_id, texts)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def make(
        self, judgments: Judgments, window: int, template: str, whose: str, model: CrossEncoder | None = None
    ) -> list[JudgedWindow]:
        """The windows of the queries that find something; `model`: default the variant's own.

        Raises CommandError where the second stage fails.
        """
        made = []
        for query_id, judged in judgments.qrels.items():
            found = self._found[query_id]
            if found is None:
                continue
            features = dict(self._features_of(found, window, whose))
            count = len(features["cross_encoder"])
            if model or template != self._template:
                features["cross_encoder"] = self._scores_of(found, window, template, model or self.own_model)[:count]
            ids = found.document_ids[:count]
            grades = np.array([judged.get(name, np.nan) for name in ids], dtype=np.float64)
            made.append(JudgedWindow(query_id, judgments.queries[query_id], ids, features, grades, judged))
        return made

    def ms_per_hit(self, template: str, model: CrossEncoder | None = None) -> float | None:
        """What reading a hit took; where most were remembered, of all templates together. None: none was read."""
        key = (model or self.own_model).key
        of_model = [(text, read) for (of, text, _), read in self._scores.items() if of == key]
        of_template = [read for text, read in of_model if text == template]
        read = of_template
        if 2 * sum(each.pairs for each in of_template) < sum(len(each.scores) for each in of_template):
            read = [each for _, each in of_model]
        pairs = sum(each.pairs for each in read)
        return 1000 * sum(each.seconds for each in read) / pairs if pairs else None

    def _features_of(self, found: Found, window: int, whose: str) -> Mapping[str, FloatArray]:
        known = self._features.setdefault((whose, window), {})
        if found.query_id not in known:
            scores = self._scores_of(found, window, self._template, self.own_model)
            variant = replace(self._variants[whose], window=window)
            scored = self._rerank(self.own_model.stage, replace(found.plan, variant=variant), found.response)
            made = {**scored.features, "cross_encoder": scores[: len(scored.fused_scores)]}
            known[found.query_id] = made
            self._values += sum(map(len, made.values()))
            self._forget(keep=(whose, window))
        return known[found.query_id]

    def _forget(self, keep: tuple[str, int]) -> None:
        """Drop the windows of the size that was made first, until what is remembered fits again."""
        while self._values > _MOST_VALUES and len(self._features) > 1:
            oldest = next(key for key in self._features if key != keep)
            gone = self._features.pop(oldest)
            self._values -= sum(len(values) for made in gone.values() for values in made.values())

    def _scores_of(self, found: Found, window: int, template: str, model: CrossEncoder) -> FloatArray:
        key = (model.key, template, found.query_id)
        read = self._scores.setdefault(key, _Read(np.zeros(0)))
        wanted = min(window, len(found.response.hits))
        if len(read.scores) < wanted:
            variant = replace(self._variants["scores"], window=window)
            plan = replace(found.plan, variant=variant, sections=_with_template(found.plan.sections, template))
            started, known = time.perf_counter(), model.memory.entries
            scored = self._rerank(model.stage, plan, found.response)
            read.seconds += time.perf_counter() - started
            read.pairs += max(model.memory.entries - known, 0)
            read.scores = scored.features["cross_encoder"]
        return read.scores[:wanted]

    def _rerank(self, stage: SecondStage, plan: Plan, response: SearchResponse) -> Scored:
        (outcome,) = stage.rerank([(plan, response)], Reader(), _PATIENCE_MS)
        if isinstance(outcome, RerankError):
            raise CommandError(f"query {plan.query_text!r}: {outcome.reason}")
        if isinstance(outcome, Reason):
            raise CommandError(f"query {plan.query_text!r}: {outcome.meaning}")
        return outcome


def _with_template(sections: Sections, template: str) -> Sections:
    changed = tuple((name, section.model_copy(update={"template": template})) for name, section in sections.candidates)
    fixed = sections.fixed.model_copy(update={"template": template}) if sections.fixed else None
    return Sections(changed, fixed)
