"""The two searches behind a profile, as bodies and as answers: a user's newest events, then the products they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.personalization.events import Event, parse_events
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.search.document import read_values

Body = dict[str, object]
PRODUCTS_PER_SEARCH = 1000
EVENT_FIELDS = ("client_id", "action_name", "timestamp", "event_attributes.object.object_id")


def events_body(user_id: str, settings: ProfileSettings) -> Body:
    """The search for a user's newest `max_events` events whose action has a weight.

    Works with client_id as keyword, as text, and as the text with a keyword below that dynamic mapping makes: a
    phrase on a keyword is a term. What a text field lets through in excess, `read_events` drops.
    """
    actions = [action for action, weight in settings.action_weights.items() if weight > 0]
    return {
        "size": settings.max_events,
        "track_total_hits": False,
        "query": {
            "bool": {"filter": [{"match_phrase": {"client_id": {"query": user_id}}}, _any_of("action_name", actions)]}
        },
        "sort": [{"timestamp": {"order": "desc", "unmapped_type": "date"}}],
        "_source": list(EVENT_FIELDS),
    }


def read_events(answer: Mapping[str, object], user_id: str) -> tuple[Event, ...]:
    """The user's events in an answer to `events_body`; malformed ones are left out. Raises UpstreamError."""
    parsed = parse_events(hit.get("_source") for hit in _hits(answer))
    return tuple(event for event in parsed.events if event.client_id == user_id)


def products_bodies(object_ids: Iterable[str], settings: ProfileSettings, features: FeatureFields) -> Iterator[Body]:
    """The searches for the products behind the object_ids: each product once, at most 1,000 a search."""
    distinct = iter(dict.fromkeys(object_ids))
    names = [*features.names, *([settings.id_field] if settings.id_field else [])]
    while chunk := list(islice(distinct, PRODUCTS_PER_SEARCH)):
        by_id: Body = {"ids": {"values": chunk}}
        yield {
            "size": len(chunk),
            "track_total_hits": False,
            "query": {"bool": {"filter": [_any_of(settings.id_field, chunk) if settings.id_field else by_id]}},
            "_source": names or False,
        }


def read_products(
    answer: Mapping[str, object], settings: ProfileSettings, features: FeatureFields
) -> dict[str, HitFields]:
    """object_id -> fields of the products in an answer to `products_bodies`. Raises UpstreamError."""
    products: dict[str, HitFields] = {}
    for hit in _hits(answer):
        source = hit.get("_source")
        object_ids = read_values(source, settings.id_field) if settings.id_field else [hit.get("_id")]
        fields = read_hit_fields({name: read_values(source, name) for name in features.names}, features)
        products |= {str(object_id): fields for object_id in object_ids}
    return products


def _any_of(field: str, values: Sequence[str]) -> Body:
    return {"bool": {"should": [{"terms": {name: list(values)}} for name in (field, f"{field}.keyword")]}}


def _hits(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The hits of an answer; none where the index does not exist."""
    if "error" in answer and answer.get("status") != 404:
        raise UpstreamError(f"the search for a profile was answered with status {answer.get('status')}")
    outer = answer.get("hits")
    inner = outer.get("hits") if isinstance(outer, Mapping) else None
    return [hit for hit in inner if isinstance(hit, Mapping)] if isinstance(inner, list) else []
