"""create_app(settings, ...): the only place that wires the parts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flask import Blueprint, Flask

from middleware.admin import add_error_pages, make_blueprint
from middleware.ads.server import AdServer
from middleware.assembly import (
    follow_aliases,
    make_ad_server,
    make_check,
    make_engine_maker,
    make_impatient_upstream,
    make_keep,
    make_listener,
    make_profile_reader,
    make_sources,
    make_vector_readers,
    serve_models,
    start_sink,
)
from middleware.behaviour.sink import EventSink
from middleware.behaviour.ubi_searches import Keep, UbiSearches
from middleware.cluster import Cluster
from middleware.config import ModelSettings, Settings
from middleware.first_stage import FirstStage
from middleware.front import Front
from middleware.observability import Metrics
from middleware.own_requests import Fetch, make_fetch
from middleware.personalization.identity import Identity, open_identity
from middleware.personalization.store import ProfileReader
from middleware.privacy.keeping import Keeping
from middleware.proxy import SearchProxy
from middleware.recommend.recommender import Recommender
from middleware.recommend.reranking import Reranking
from middleware.recommend.sources import Sources
from middleware.rerank.engine import Engine
from middleware.rerank.served_model import ServedModel
from middleware.second_stage import SecondStage
from middleware.served_fusions import ServedFusions
from middleware.upstream import Upstream
from middleware.web.ads import make_ads_blueprint
from middleware.web.events import make_events_blueprint
from middleware.web.explain import make_explain_blueprint
from middleware.web.profiles import make_profiles_blueprint
from middleware.web.recommend import make_recommend_blueprint
from middleware.web.ubi import make_ubi_blueprint


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
    impatient = upstream or make_impatient_upstream(settings)
    cluster = cluster or Cluster(None if upstream else impatient.forward)
    if upstream is None:
        upstream = Upstream(settings.upstream, settings.headers.withheld)
        upstream.call_when_back(cluster.look_again)
    cluster.look_again()
    metrics = Metrics()
    models = serve_models(settings, make_engine or make_engine_maker(settings, metrics), metrics)
    fusions = ServedFusions(settings, metrics)
    follow_aliases([*models.values(), *fusions.served.values()])
    vectors = make_vector_readers(settings, fusions, make_fetch(impatient), metrics)
    identity = open_identity(settings.privacy)
    profiles = make_profile_reader(settings, impatient, vectors, identity) if settings.profiles.enabled else None
    second_stage = SecondStage(settings, models, vectors)
    sink = start_sink(settings, given, metrics) if settings.events.enabled or settings.ads.index else None
    if sink is not None and profiles is not None:
        sink.on_accepted.append(make_listener(settings, profiles))
    ads = make_ad_server(settings, make_fetch(impatient), sink) if sink and settings.ads.index else None
    proxy = SearchProxy(settings, upstream, cluster, second_stage, profiles, metrics, fusions, identity, ads)
    searches = UbiSearches(
        settings,
        proxy,
        FirstStage(upstream, settings.server),
        identity.hash,
        keep_query or (make_keep(settings, sink) if sink and settings.events.enabled else None),
        lambda: cluster.product.distribution == "opensearch",
    )
    parts = _Parts(
        settings, upstream, make_fetch(impatient), cluster, metrics, models, fusions, identity, profiles, second_stage,
        sink, ads, proxy, searches, make_sources(settings, impatient) if settings.recommend.enabled else None,
    )  # fmt: skip
    flask = Flask("middleware")
    flask.json.sort_keys = False  # type: ignore[attr-defined]
    for blueprint in _blueprints(parts):
        flask.register_blueprint(blueprint)
    add_error_pages(flask)
    return Front(cluster.with_each(searches), cluster.with_each(upstream.forward), flask)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What views are made of; None is what the settings do without."""

    settings: Settings
    upstream: Upstream
    fetch: Fetch
    cluster: Cluster
    metrics: Metrics
    models: Mapping[str, ServedModel]
    fusions: ServedFusions
    identity: Identity
    profiles: ProfileReader | None
    second_stage: SecondStage
    sink: EventSink | None
    ads: AdServer | None
    proxy: SearchProxy
    searches: UbiSearches
    sources: Mapping[str, Sources] | None


def _blueprints(parts: _Parts) -> Iterator[Blueprint]:
    """Everything under /_rerank/ and /{index}/_rerank/."""
    settings, sink, ads, profiles = parts.settings, parts.sink, parts.ads, parts.profiles
    yield make_blueprint(settings, parts.models, parts.fusions, parts.metrics, parts.cluster, sink)
    yield make_explain_blueprint(settings, parts.proxy, parts.models, parts.fetch, parts.searches.without_ubi)
    yield make_ubi_blueprint()
    if sink is not None and settings.events.enabled:
        yield make_events_blueprint(settings, sink, make_check(settings, parts.identity), parts.metrics)
    if ads is not None:
        yield make_ads_blueprint(ads)
    if parts.sources is not None:
        reranking = Reranking(settings, parts.second_stage, parts.fusions)
        yield make_recommend_blueprint(
            settings, Recommender(settings, parts.upstream, reranking, profiles, parts.sources)
        )
    if settings.privacy.endpoints:
        forget: list[Callable[[str], None]] = [lambda _: parts.second_stage.forget()]
        forget += [each.forget for each in (profiles, ads) if each is not None]
        keeping = Keeping({"spool": sink} if sink else {}, forget)
        yield make_profiles_blueprint(settings, parts.upstream, parts.identity, keeping)
