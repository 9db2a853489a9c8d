"""Judged searches as a fusion model learns from them: the features that the proxy itself makes, and what was judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from middleware.config import Settings
from middleware.config.cascade import CascadeSettings
from middleware.errors import CommandError, ConfigError, RerankError
from middleware.experiments.assign import ResolvedVariant, resolve
from middleware.features.maker import FeatureMaker
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion import FloatArray
from middleware.fusion_models.hand_set import HandSet
from middleware.fusions import Fusion
from middleware.learning.cascade.make import start_engine
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.searches import known_documents, read_ids
from middleware.learning.shop import Shop, section_of
from middleware.learning.shop_vectors import open_vectors
from middleware.learning.step_bar import Step
from middleware.rerank.score_memory import ScoreMemory
from middleware.search.document import parse_template
from middleware.search.reasons import Reason
from middleware.second_stage import Reader, SecondStage

_PATIENCE_MS = 600_000
_COLLECTING = "collecting"


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One judged query's hits in Elasticsearch's order: n ids, features of shape (n,), grades, NaN where not judged.

    `judged`: all that was judged for the query, found or not.
    """

    query_id: str
    query_text: str
    document_ids: Sequence[str]
    features: Mapping[str, FloatArray]
    grades: FloatArray
    judged: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.document_ids)


@dataclass(frozen=True, slots=True)
class Source:
    """Where features come from: an index searched as its shop does, under a variant that reads the whole window.

    `names` are made; `fields` are those in which match, phrase and model_number look for words.
    """

    shop: Shop
    stage: SecondStage
    variant: ResolvedVariant
    names: Sequence[str]
    fields: Sequence[str]
    id_field: str

    def window(self, query_id: str, query_text: str, judged: Mapping[str, int]) -> JudgedWindow | None:
        """The features of a query's hits, made by the second stage itself; None where nothing is found.

        Raises CommandError where the second stage fails.
        """
        plan, response = self.shop.search(query_text)
        (outcome,) = self.stage.rerank([(replace(plan, variant=self.variant), response)], Reader(), _PATIENCE_MS)
        if isinstance(outcome, RerankError):
            raise CommandError(f"query {query_text!r}: {outcome.reason}")
        if isinstance(outcome, Reason):
            if outcome is Reason.NO_HITS:
                return None
            raise CommandError(f"query {query_text!r}: {outcome.meaning}")
        ids = read_ids(response.hits, self.id_field)[: len(outcome.fused_scores)]
        grades = np.array([judged.get(name, np.nan) for name in ids], dtype=np.float64)
        return JudgedWindow(query_id, query_text, ids, outcome.features, grades, judged)


def possible_features(settings: Settings, index: str) -> list[str]:
    """What there is in this index to make features of; those of a profile, who judges nothing, are left out."""
    section = section_of(index, settings)
    names = ["cross_encoder", "first_stage", "first_stage_share", "first_stage_rank"]
    names += ["vector_cosine", "vector_cosine_raw"] if section.vectors else []
    names += ["match", "phrase", "model_number"]
    fields = template_fields(settings, index)
    names += [f"{kind}.{field}" for field in fields for kind in ("match", "coverage", "phrase")]
    names += ["brand_match"] if section.features.brand else []
    names += ["popularity"] if section.features.popularity else []
    names += ["price_closeness", "price_level"] if section.features.price else []
    return names + (["freshness"] if section.features.date else [])


def default_features(settings: Settings, index: str) -> list[str]:
    """The few that did as well as all on Chorus, or better: see scripts/bench_learning.py."""
    vectors = ["vector_cosine_raw"] if section_of(index, settings).vectors else []
    coverage = [f"coverage.{field}" for field in template_fields(settings, index)]
    return ["cross_encoder", "first_stage", *vectors, "match", *coverage]


def template_fields(settings: Settings, index: str) -> tuple[str, ...]:
    """The fields of the document text."""
    return parse_template(section_of(index, settings).template).fields


@contextmanager
def open_source(
    shop: Shop, names: Sequence[str], fields: Sequence[str], id_field: str, memory: ScoreMemory | None = None
) -> Iterator[Source]:
    """A source with the variant's model loaded, and the vectors' encoder where they are wanted; `memory`: of scores.

    Raises ConfigError for a name that is no feature, or without a model; CommandError where it cannot be loaded.
    """
    try:
        maker = FeatureMaker(names, fields)
    except ValueError as error:
        raise ConfigError("--features", ", ".join(names), str(error)) from error
    if set(PROFILE_FEATURES) & set(names):
        raise ConfigError("--features", ", ".join(names), "a profile's features cannot be learned from judgments")
    settings = shop.settings.model_copy(update={"rankings": shop.settings.rankings.model_copy(update={"ttl_s": 0})})
    section = section_of(shop.index, settings)
    variant = resolve(shop.variant, section, settings)
    model = settings.find_model(variant.model)
    fusion = Fusion(HandSet({"cross_encoder": 1.0}), maker)
    variant = replace(variant, window=shop.hits, cascade=CascadeSettings(enabled=False), trained=fusion)
    # The plan asks Elasticsearch for what the fusion of its variant reads.
    collecting = settings.variants[shop.variant].model_copy(update={"fusion": _COLLECTING})
    settings = settings.model_copy(update={"variants": {**settings.variants, shop.variant: collecting}})
    with ExitStack() as stack:
        engine = start_engine(model, memory)
        stack.callback(engine.stop)
        readers = open_vectors(stack, shop, [variant])
        stage = SecondStage(settings, {variant.model or next(iter(settings.models)): engine}, readers)
        shop = replace(shop, settings=settings, fusions={_COLLECTING: fusion})
        yield Source(shop, stage, variant, names, fields, id_field)


def collect(source: Source, judgments: Judgments, step: Step) -> list[JudgedWindow]:
    """The windows of all judged queries that find something, in their order.

    Raises CommandError, with counts, where none is found, or vectors are wanted and there are none.
    """
    windows, queries = [], list(judgments.queries.items())
    for done, (query_id, text) in enumerate(queries):
        step("searching and scoring", done, len(queries))
        window = source.window(query_id, text, judgments.qrels[query_id])
        if window is not None:
            windows.append(window)
    step("searching and scoring", len(queries), len(queries))
    if not windows:
        raise CommandError(f"{source.shop.index}: none of {len(queries)} judged queries finds anything; see --search")
    cosines = [window.features.get("vector_cosine") for window in windows]
    if "vector_cosine" in source.names and all(each is None or (each == 0.5).all() for each in cosines):
        raise CommandError(f"{source.shop.index}: no hit has a vector; run `es-rerank vectors build` first")
    return windows


def in_index(shop: Shop, judgments: Judgments, id_field: str) -> Judgments:
    """The judgments on documents that there are. Raises CommandError, with counts, where none is left."""
    ids = list(dict.fromkeys(chain.from_iterable(judgments.qrels.values())))
    return judgments.only(known_documents(shop, ids, id_field))
