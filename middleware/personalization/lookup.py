"""The searches behind a profile, as bodies and as answers: what is stored, the newest events, the products of these."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.own_requests import hits_of
from middleware.personalization.clusters import Others, gather
from middleware.personalization.documents import CLUSTER, EVERYBODY, KIND, from_document, statistics_from_document
from middleware.personalization.events import Event, parse_event
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.personalization.state import EMPTY, ProfileState
from middleware.search.document import Template, read_values

Body = dict[str, object]

PRODUCTS_PER_SEARCH = 1000
MOST_CLUSTERS = 1000
EVENT_FIELDS = ("client_id", "action_name", "timestamp", "event_attributes.object.object_id")
_log = logging.getLogger(__name__)


class TextSource(Protocol):
    """How a document's text is made."""

    @property
    def template(self) -> Template: ...

    @property
    def max_field_chars(self) -> int: ...


def profile_body(user_hash: str) -> Body:
    """The search for what the last batch stored of a user."""
    return {"size": 1, "track_total_hits": False, "query": {"ids": {"values": [user_hash]}}}


def read_profile(answer: Mapping[str, object]) -> ProfileState:
    """The state in an answer to `profile_body`, the empty one where there is none. Raises UpstreamError, ValueError."""
    for hit in _hits(answer):
        source = hit.get("_source")
        return from_document(source if isinstance(source, Mapping) else {})
    return EMPTY


def statistics_body() -> Body:
    """The search for the statistics of all clusters, and of everybody."""
    return {
        "size": MOST_CLUSTERS,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"terms": {KIND: [CLUSTER, EVERYBODY]}}]}},
    }


def read_statistics(answer: Mapping[str, object]) -> Others:
    """The statistics in an answer to `statistics_body`; malformed ones are left out. Raises UpstreamError."""
    found = []
    for hit in _hits(answer):
        source = hit.get("_source")
        try:
            found.append(statistics_from_document(source if isinstance(source, Mapping) else {}))
        except ValueError as error:
            _log.warning("%s: %s", hit.get("_id"), error)
    return gather(found)


def events_body(names: Sequence[str], settings: ProfileSettings, since_s: float = -math.inf) -> Body:
    """The search for a user's newest `max_events` events, not before `since_s`, whose action has a weight.

    `names`: the client_ids that mean this user, hash and raw. Works with client_id as keyword, as text, and as the
    text with a keyword below that dynamic mapping makes: a phrase on a keyword is a term. What a text field lets
    through in excess, `read_events` drops.
    """
    actions = [action for action, weight in settings.action_weights.items() if weight > 0]
    theirs = [{"match_phrase": {"client_id": {"query": name}}} for name in names]
    filters: list[Body] = [{"bool": {"should": theirs}}, _any_of("action_name", actions)]
    if since_s > -math.inf:
        filters.append({"range": {"timestamp": {"gte": math.floor(since_s * 1000), "format": "epoch_millis"}}})
    return {
        "size": settings.max_events,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        "sort": [{"timestamp": {"order": "desc", "unmapped_type": "date"}}],
        "_source": list(EVENT_FIELDS),
    }


def read_events(answer: Mapping[str, object], names: Sequence[str]) -> tuple[Event, ...]:
    """The user's events in an answer to `events_body`; malformed ones are left out. Raises UpstreamError."""
    parsed = (parse_event(hit.get("_source"), str(hit.get("_id") or "")) for hit in _hits(answer))
    return tuple(event for event in parsed if event is not None and event.client_id in names)


def products_bodies(
    object_ids: Iterable[str], settings: ProfileSettings, features: FeatureFields, template: Template | None = None
) -> Iterator[Body]:
    """The searches for the products behind the object_ids: each product once, at most 1,000 a search.

    `template`: of the text that vectors are made of, where they are wanted.
    """
    distinct = iter(dict.fromkeys(object_ids))
    own = [settings.id_field] if settings.id_field else []
    names = list(dict.fromkeys([*features.names, *own, *(template.fields if template else ())]))
    while chunk := list(islice(distinct, PRODUCTS_PER_SEARCH)):
        by_id: Body = {"ids": {"values": chunk}}
        yield {
            "size": len(chunk),
            "track_total_hits": False,
            "query": {"bool": {"filter": [_any_of(settings.id_field, chunk) if settings.id_field else by_id]}},
            "_source": names or False,
        }


def read_products(
    answer: Mapping[str, object], settings: ProfileSettings, features: FeatureFields, source: TextSource | None = None
) -> dict[str, tuple[HitFields, str]]:
    """object_id -> fields and text (empty without `source`) of the products in an answer. Raises UpstreamError."""
    products: dict[str, tuple[HitFields, str]] = {}
    paths = dict.fromkeys((*features.names, *(source.template.fields if source else ())))
    for hit in _hits(answer):
        document = hit.get("_source")
        object_ids = read_values(document, settings.id_field) if settings.id_field else [hit.get("_id")]
        values = {path: read_values(document, path) for path in paths}
        text = source.template.render(values, source.max_field_chars) if source else ""
        products |= {str(object_id): (read_hit_fields(values, features), text) for object_id in object_ids}
    return products


def _any_of(field: str, values: Sequence[str]) -> Body:
    return {"bool": {"should": [{"terms": {name: list(values)}} for name in (field, f"{field}.keyword")]}}


def _hits(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The hits of an answer; none where the index does not exist."""
    if "error" in answer and answer.get("status") != 404:
        raise UpstreamError(f"the search for a profile was answered with status {answer.get('status')}")
    return hits_of(answer)
