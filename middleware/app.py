"""create_app(settings, ...): the only place that wires the parts together."""

from __future__ import annotations

import atexit
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import quote

from flask import Flask

from middleware.admin import add_error_pages, make_blueprint
from middleware.ads.server import AdServer
from middleware.behaviour.event_check import EventCheck
from middleware.behaviour.record import Record
from middleware.behaviour.sink import EventSink, Listener, open_sink
from middleware.behaviour.ubi_searches import Keep, UbiSearches
from middleware.cluster import Cluster
from middleware.config import FeatureFields, ModelSettings, Settings
from middleware.errors import UpstreamError
from middleware.experiments.assign import resolve
from middleware.first_stage import FirstStage
from middleware.front import Front
from middleware.fusions import Fusion
from middleware.message import Request
from middleware.model_fit import misfits
from middleware.observability import Metrics
from middleware.personalization.identity import Identity, open_identity
from middleware.personalization.products import VectorSource
from middleware.personalization.store import Fetch, ProfileReader
from middleware.privacy.keeping import Keeping
from middleware.proxy import SearchProxy
from middleware.recommend.catalogue_reader import CatalogueReader
from middleware.recommend.index import recommend_index_name
from middleware.recommend.own_searches import make_ask
from middleware.recommend.popularity import PopularityReader
from middleware.recommend.recommender import Recommender
from middleware.recommend.reranking import Reranking
from middleware.recommend.sources import Sources
from middleware.registry_manifest import Manifest
from middleware.registry_reference import is_reference
from middleware.registry_watch import RegistryWatch
from middleware.rerank.bi_encoder import BiEncoder, BiEncoderChoice, load_chosen
from middleware.rerank.engine import Engine
from middleware.rerank.redis_scores import connect_redis
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.served_model import ServedModel
from middleware.rerank.vector_index import vector_index_name
from middleware.rerank.vector_reader import VectorReader
from middleware.search.document import parse_template
from middleware.second_stage import SecondStage
from middleware.served_fusions import ServedFusion, ServedFusions
from middleware.upstream import Upstream, read_all
from middleware.web.ads import make_ads_blueprint
from middleware.web.events import make_events_blueprint
from middleware.web.explain import make_explain_blueprint
from middleware.web.profiles import make_profiles_blueprint
from middleware.web.recommend import make_recommend_blueprint
from middleware.web.ubi import make_ubi_blueprint

_MAX_PROFILE_BYTES = 16 * 1024 * 1024
_OWN_TIMEOUT_MS = 5000
_LOAD_RETRY_S = 60.0
_REMOTE_RETRY_S = 2.0
_log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    *,
    upstream: Upstream | None = None,
    cluster: Cluster | None = None,
    make_engine: Callable[[ModelSettings], Engine] | None = None,
    keep_query: Keep | None = None,
) -> Front:
    """The WSGI application for checked `settings`; models begin to load at once, in threads of their own.

    `upstream`, `cluster`, `make_engine` and `keep_query` are the seams through which tests bring theirs; an `upstream`
    brought without a `cluster` is not asked what it is.
    """
    given = upstream
    impatient = upstream or _make_impatient_upstream(settings)
    cluster = cluster or Cluster(None if upstream else impatient.forward)
    if upstream is None:
        upstream = Upstream(settings.upstream, settings.headers.withheld)
        upstream.call_when_back(cluster.look_again)
    cluster.look_again()
    metrics = Metrics()
    models = _serve_models(settings, make_engine or make_engine_maker(settings, metrics), metrics)
    fusions = ServedFusions(settings, metrics)
    _follow_aliases([*models.values(), *fusions.served.values()])
    vectors = _make_vector_readers(settings, fusions, make_fetch(impatient), metrics)
    identity = open_identity(settings.privacy)
    profiles = _make_profile_reader(settings, impatient, vectors, identity) if settings.profiles.enabled else None
    second_stage = SecondStage(settings, models, vectors)
    sink = _open_sink(settings, given, metrics) if settings.events.enabled or settings.ads.index else None
    if sink is not None and profiles is not None:
        sink.on_accepted.append(_make_listener(settings, profiles))
    ads = _make_ad_server(settings, make_fetch(impatient), sink) if sink and settings.ads.index else None
    proxy = SearchProxy(settings, upstream, cluster, second_stage, profiles, metrics, fusions, identity, ads)
    searches = UbiSearches(
        settings,
        proxy,
        FirstStage(upstream, settings.server),
        identity.hash,
        keep_query or (_make_keep(settings, sink) if sink and settings.events.enabled else None),
        lambda: cluster.product.distribution == "opensearch",
    )
    flask = Flask("middleware")
    flask.json.sort_keys = False  # type: ignore[attr-defined]
    flask.register_blueprint(make_blueprint(settings, models, fusions, metrics, cluster, sink))
    flask.register_blueprint(make_explain_blueprint(settings, proxy, models, make_fetch(impatient)))
    flask.register_blueprint(make_ubi_blueprint())
    if sink is not None and settings.events.enabled:
        flask.register_blueprint(make_events_blueprint(settings, sink, _make_check(settings, identity), metrics))
    if ads is not None:
        flask.register_blueprint(make_ads_blueprint(ads))
    if settings.recommend.enabled:
        sources, reranking = _make_sources(settings, impatient), Reranking(settings, second_stage, fusions)
        recommender = Recommender(settings, upstream, reranking, profiles, sources)
        flask.register_blueprint(make_recommend_blueprint(settings, recommender))
    if settings.privacy.endpoints:
        forget: list[Callable[[str], None]] = [lambda _: second_stage.forget()]
        forget += [each.forget for each in (profiles, ads) if each is not None]
        keeping = Keeping({"spool": sink} if sink else {}, forget)
        flask.register_blueprint(make_profiles_blueprint(settings, upstream, identity, keeping))
    add_error_pages(flask)
    return Front(cluster.with_each(searches), cluster.with_each(upstream.forward), flask)


def _serve_models(
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


def _follow_aliases(served: Sequence[ServedModel | ServedFusion]) -> None:
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


def _make_impatient_upstream(settings: Settings) -> Upstream:
    """For requests of our own: connections that give up soon, as a silent node must not hold up profile readers."""
    patience = min(_OWN_TIMEOUT_MS, settings.upstream.read_timeout_ms)
    return Upstream(settings.upstream.model_copy(update={"read_timeout_ms": patience}), settings.headers.withheld)


def _open_sink(settings: Settings, upstream: Upstream | None, metrics: Metrics) -> EventSink:
    if upstream is None:
        patience = min(settings.events.timeout_ms, settings.upstream.read_timeout_ms)
        upstream = Upstream(settings.upstream.model_copy(update={"read_timeout_ms": patience, "pool_size": 2}))
    sink = open_sink(settings, upstream, metrics)
    sink.start()
    atexit.register(sink.close)
    return sink


def _make_listener(settings: Settings, profiles: ProfileReader) -> Listener:
    """Events that this process took count in the next search, before the index shows them."""
    index = settings.profiles.events_index

    def listen(records: Sequence[Record]) -> None:
        profiles.accept((record.id, record.document) for record in records if record.index == index)

    return listen


def _make_ad_server(settings: Settings, fetch: Fetch, sink: EventSink) -> AdServer:
    credentials = settings.events.authorization()
    ads = AdServer(settings.ads, fetch, sink, credentials=credentials, ranking_ttl_s=settings.rankings.ttl_s)
    ads.start()
    atexit.register(ads.close)
    return ads


def _make_check(settings: Settings, identity: Identity) -> EventCheck:
    events = settings.events
    return EventCheck(settings.profiles.events_index, identity.hash, events.max_future_s, events.max_event_bytes)


def _make_keep(settings: Settings, sink: EventSink) -> Keep:
    """Searches are recorded without waiting for the disk; where there is no room, the sink counts them as lost."""

    def keep(id: str, document: Mapping[str, Any]) -> None:
        sink.put_soon([Record(settings.events.queries_index, id, document)])

    return keep


def _make_profile_reader(
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


def _make_vector_readers(
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


def _make_sources(settings: Settings, upstream: Upstream) -> dict[str, Sources]:
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


def make_fetch(upstream: Upstream) -> Fetch:
    """A search of ours on one index, with the given headers: (index, body, headers) -> decoded answer."""

    def fetch(index: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        request = Request("POST", f"/{quote(index, safe=',*<>-')}/_search", tuple(headers.items()))
        own_headers = {"Content-Type": "application/json"}
        answer = upstream.search(request, request.target, json.dumps(body).encode(), own_headers)
        data = read_all(answer, _MAX_PROFILE_BYTES)
        if answer.status == 404:
            return {"hits": {"hits": []}}
        if answer.status != 200 or data is None:
            raise UpstreamError(f"search on {index} was answered with status {answer.status}")
        try:
            decoded: Mapping[str, Any] = json.loads(data)
        except ValueError as error:
            raise UpstreamError(f"search on {index} was answered with something that is not JSON") from error
        return decoded

    return fetch
