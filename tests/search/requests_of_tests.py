"""Search requests read and planned as the proxy does it, for tests of the pure modules."""

from __future__ import annotations

import json
from typing import Any

from middleware.config import Settings
from middleware.search.first_stage import Outgoing, window_request
from middleware.search.plan import Plan, Skip, make_plan
from middleware.search.reasons import Reason
from middleware.search.request import SearchRequest, read_request
from middleware.search.target import read_search_target

MATCH = {"query": {"match": {"title": "red phone"}}}
SETTINGS = Settings.model_validate(
    {
        "variants": {"default": {"window": 20}},
        "indices": {"products": {"template": "{title}[ {variants.color}]"}},
        "profiles": {"enabled": False},
    }
)


def read(
    body: Any = MATCH, target: str = "/products/_search", headers: dict[str, str] | None = None, method: str = "POST"
) -> SearchRequest | Reason:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    search_target = read_search_target(method, target)
    assert search_target is not None
    sent = {"content-type": "application/json"} if data else {}
    return read_request(search_target, {**sent, **(headers or {})}, data, 100_000)


def plan(*arguments: Any, settings: Settings = SETTINGS, **options: Any) -> Plan | Skip | Reason:
    """The plan of a request with one search; a Reason where the request could not be read."""
    request = read(*arguments, **options)
    return request if isinstance(request, Reason) else make_plan(request.searches[0], "default", settings)


def planned(*arguments: Any, **options: Any) -> Plan:
    found = plan(*arguments, **options)
    assert isinstance(found, Plan), found
    return found


def sent(*arguments: Any, **options: Any) -> Outgoing:
    """The first-stage request of a request with one search."""
    request = read(*arguments, **options)
    assert isinstance(request, SearchRequest), request
    return window_request(request, [planned(*arguments, **options)])


def sent_body(*arguments: Any, **options: Any) -> Any:
    return json.loads(sent(*arguments, **options).body)
