"""The parts of the application, each as the settings want it, started and bound to be closed; app.py joins them."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

from middleware.ads.server import AdServer
from middleware.behaviour.event_check import EventCheck
from middleware.behaviour.record import Record
from middleware.behaviour.sink import EventSink, Listener, open_sink
from middleware.behaviour.ubi_searches import Keep
from middleware.config import FeatureFields, ModelSettings, Settings
from middleware.experiments.assign import resolve
from middleware.fusions import Fusion
from middleware.model_fit import misfits
from middleware.observability import Metrics
from middleware.own_requests import Fetch, make_ask, make_fetch
from middleware.personalization.identity import Identity
from middleware.personalization.products import VectorSource
from middleware.personalization.store import ProfileReader
from middleware.recommend.catalogue_reader import CatalogueReader
from middleware.recommend.index import recommend_index_name
from middleware.recommend.popularity import PopularityReader
from middleware.recommend.sources import Sources
from middleware.registry.manifest import Manifest
from middleware.registry.reference import is_reference
from middleware.registry.watch import RegistryWatch
from middleware.rerank.bi_encoder import BiEncoder, BiEncoderChoice, load_chosen
from middleware.rerank.engine import Engine
from middleware.rerank.redis_scores import connect_redis
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.served_model import ServedModel
from middleware.rerank.vector_index import vector_index_name
from middleware.rerank.vector_reader import VectorReader
from middleware.search.document import parse_template
from middleware.served_fusions import ServedFusion
from middleware.upstream import Upstream

_OWN_TIMEOUT_MS = 5000
_LOAD_RETRY_S = 60.0
_REMOTE_RETRY_S = 2.0
_log = logging.getLogger(__name__)


def serve_models(
    settings: Settings, make_engine: Callable[[ModelSettings], Engine], metrics: Metrics
) -> dict[str, ServedModel]:
    """Every model, loading."""

    def serve(name: str, model: ModelSettings) -> ServedModel:
        def see(manifest: Manifest) -> None:
            for misfit in misfits(name, manifest, settings):
                _log.warning("%s", misfit)

        return ServedModel(name, model, settings.model_registry, make_engine, metrics, see)

    models = {name: serve(name, _for_servers(model, settings.budget_ms)) for name, model in settings.models.items()}
    for model in models.values():
        model.start()
        atexit.register(model.stop)
    return models


def follow_aliases(served: Sequence[ServedModel | ServedFusion]) -> None:
    watch = RegistryWatch([each for each in served if each.moves])
    watch.start()
    atexit.register(watch.stop)  # the last registered is called first


def make_engine_maker(settings: Settings, metrics: Metrics) -> Callable[[ModelSettings], Engine]:
    """Engines that share one memory of scores; a model that runs elsewhere is looked for sooner than one to load."""
    memory = None
    if settings.scores.max_bytes:
        shared = connect_redis(settings.scores)
        if shared is not None:
            atexit.register(shared.close)
        memory = ScoreMemory(settings.scores.max_bytes, shared)

    def make(model: ModelSettings) -> Engine:
        retry_s = _REMOTE_RETRY_S if model.remote else _LOAD_RETRY_S
        return Engine(model, watch=metrics, memory=memory, retry_s=retry_s)

    return make


def _for_servers(model: ModelSettings, budget_ms: int) -> ModelSettings:
    """A model that runs elsewhere is waited for no longer than a search waits for it."""
    if model.remote is None:
        return model
    remote = model.remote.model_copy(update={"timeout_ms": min(model.remote.timeout_ms, budget_ms)})
    return model.model_copy(update={"remote": remote})


def make_impatient_upstream(settings: Settings) -> Upstream:
    """For requests of our own: connections that give up soon, as a silent node must not hold up profile readers."""
    patience = min(_OWN_TIMEOUT_MS, settings.upstream.read_timeout_ms)
    return Upstream(settings.upstream.model_copy(update={"read_timeout_ms": patience}), settings.headers.withheld)


def start_sink(settings: Settings, upstream: Upstream | None, metrics: Metrics) -> EventSink:
    if upstream is None:
        patience = min(settings.events.timeout_ms, settings.upstream.read_timeout_ms)
        upstream = Upstream(settings.upstream.model_copy(update={"read_timeout_ms": patience, "pool_size": 2}))
    sink = open_sink(settings, upstream, metrics)
    sink.start()
    atexit.register(sink.close)
    return sink


def make_listener(settings: Settings, profiles: ProfileReader) -> Listener:
    """Events that this process took count in the next search, before the index shows them."""
    index = settings.profiles.events_index

    def listen(records: Sequence[Record]) -> None:
        profiles.accept((record.id, record.document) for record in records if record.index == index)

    return listen


def make_ad_server(settings: Settings, fetch: Fetch, sink: EventSink) -> AdServer:
    credentials = settings.events.authorization()
    ads = AdServer(settings.ads, fetch, sink, credentials=credentials, ranking_ttl_s=settings.rankings.ttl_s)
    ads.start()
    atexit.register(ads.close)
    return ads


def make_check(settings: Settings, identity: Identity) -> EventCheck:
    events = settings.events
    return EventCheck(settings.profiles.events_index, identity.hash, events.max_future_s, events.max_event_bytes)


def make_keep(settings: Settings, sink: EventSink) -> Keep:
    """Searches are recorded without waiting for the disk; where there is no room, the sink counts them as lost."""

    def keep(id: str, document: Mapping[str, Any]) -> None:
        sink.put_soon([Record(settings.events.queries_index, id, document)])

    return keep


def make_profile_reader(
    settings: Settings, upstream: Upstream, vectors: Mapping[str, VectorReader], identity: Identity
) -> ProfileReader:
    name = settings.profiles.products_index
    products, source = settings.indices.get(name), None
    fields = products.features if products else FeatureFields()
    if products and products.vectors and name in vectors:
        template = parse_template(products.vectors.template or products.template)
        source = VectorSource(vectors[name], template, products.max_field_chars)
    reader = ProfileReader(settings.profiles, fields, make_fetch(upstream), identity=identity, vectors=source)
    atexit.register(reader.close)
    return reader


def make_vector_readers(
    settings: Settings, fusions: Mapping[str, Fusion | None], fetch: Fetch, metrics: Metrics
) -> dict[str, VectorReader]:
    """For each section with vectors that some variant or a profile wants; sections with one encoder share it.

    A fusion model behind an alias may come to want them, whatever it reads now.
    """
    loading, known = Lock(), lru_cache(load_chosen)

    def load(choice: BiEncoderChoice) -> BiEncoder:
        with loading:
            return known(choice)

    may_want = any(is_reference(variant.fusion or "") for variant in settings.variants.values())
    readers = {}
    for name, section in settings.indices.items():
        is_profiled = settings.profiles.enabled and name == settings.profiles.products_index
        wanted = (may_want or is_profiled) or any(
            resolve(variant, section, settings, fusions).wants_vectors for variant in settings.variants
        )
        if section.vectors is not None and wanted:
            index = vector_index_name(name, section.vectors.index)
            reader = readers[name] = VectorReader(index, section.vectors, fetch, watch=metrics, load=load)
            reader.start()
            atexit.register(reader.close)
    return readers


def make_sources(settings: Settings, upstream: Upstream) -> dict[str, Sources]:
    """Of each section of `indices` where recommendations come from; catalogues begin to load at once."""
    recommend, ask = settings.recommend, make_ask(upstream, settings.events.authorization)
    sources = {}
    for name, section in settings.indices.items():
        kept_in, catalogue = recommend_index_name(name), None
        if section.vectors is not None:
            kept = vector_index_name(name, section.vectors.index)
            refresh_s = 60.0 * recommend.refresh_minutes
            catalogue = CatalogueReader(kept, kept_in, recommend.max_products, refresh_s, ask)
            catalogue.start()
            atexit.register(catalogue.close)
        popularity = PopularityReader(
            settings.profiles.index, kept_in, ask, most=recommend.candidates, ttl_s=settings.profiles.statistics_ttl_s
        )
        sources[name] = Sources(section, settings, kept_in, ask, catalogue, popularity)
    return sources
