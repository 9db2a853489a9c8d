"""A request for recommendations, read from its URL and body: pure, strict about what it does not know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.errors import RequestError

KINDS = ("for_you", "similar", "bought_together", "popular")
_OF_PAGE = ("_source", "fields")
_PARAMETERS = ("user", "like", "kind", "size", "from")
_MEMBERS = (*_PARAMETERS, *_OF_PAGE, "filter")
_DEFAULT_SIZE = 10
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants recommended. `filter` is a query of the cluster's DSL; `page` what a hit is to show."""

    kind: str
    user: str | None
    like: str | None
    start: int
    size: int
    filter: Mapping[str, Any] | None
    page: Mapping[str, Any]


def read_asked(parameters: Mapping[str, str], body: bytes, user: str | None) -> Asked:
    """Read the parameters of the URL, which win, and a JSON body; `user`: of the user header, where there is one.

    Raises RequestError, naming what is wrong.
    """
    given = _read_body(body)
    unknown = [*(name for name in given if name not in _MEMBERS)]
    unknown += [name for name in parameters if name not in (*_PARAMETERS, "_source", "pretty", "error_trace", "human")]
    if unknown:
        raise RequestError(f"unknown parameter [{unknown[0]}]; a recommendation takes [{', '.join(_MEMBERS)}]")
    merged = {**given, **{name: value for name, value in parameters.items() if name in _PARAMETERS}}
    who, like = _name(merged, "user") or user, _name(merged, "like")
    kind = _name(merged, "kind") or ("similar" if like else "for_you" if who else "popular")
    if kind not in KINDS:
        raise RequestError(f"[kind] is [{kind[:64]}], but must be one of [{', '.join(KINDS)}]")
    if kind == "similar" and like is None:
        raise RequestError("[kind=similar] needs [like], the _id of a product")
    if kind == "bought_together" and like is None and who is None:
        raise RequestError("[kind=bought_together] needs [like], the _id of a product, or [user]")
    wanted = given.get("filter")
    if wanted is not None and not isinstance(wanted, dict):
        raise RequestError('[filter] must be a query, such as {"term": {"in_stock": true}}')
    page = {name: given[name] for name in _OF_PAGE if name in given} | _source(parameters)
    start, size = _count(merged.get("from", 0), "from"), _count(merged.get("size", _DEFAULT_SIZE), "size")
    return Asked(kind, who, like, start, size, wanted, page)


def _read_body(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise RequestError("the body must be a JSON object")
    return given


def _source(parameters: Mapping[str, str]) -> dict[str, Any]:
    text = parameters.get("_source")
    if text is None:
        return {}
    return {"_source": {"true": True, "false": False}.get(text, text.split(","))}


def _name(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RequestError(f"[{name}] must be a text")
    return str(value).strip() or None


def _count(value: Any, name: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise RequestError(f"[{name}] must be a number from 0 to {_MOST}, not [{str(value)[:32]}]")
    return value
