"""From a `do` of a test to one HTTP request, by the suite's own specification of the APIs."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from rest_suites.cases import load_yaml
from rest_suites.supply import Suite

_JSON, _LINES = "application/json", "application/x-ndjson"


class NoCall(Exception):
    """The arguments fit no path of the API: what the suites call `catch: param`."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it goes over the wire."""

    method: str
    target: str
    body: bytes | None
    content_type: str | None


def build_call(suite: Suite, name: str, arguments: Mapping[str, Any], salt: str) -> Call:
    """The request for API `name`; where the API allows several methods, `salt` picks one. Raises NoCall."""
    if name not in suite.apis:
        raise NoCall(f"no API {name}")
    api = suite.apis[name]
    given = {key: value for key, value in arguments.items() if key != "body"}
    path = _choose_path(api, {key for key, value in given.items() if value not in (None, "")})
    parts = set(path.get("parts", {}))
    unknown = given.keys() - parts - set(api.get("params", {})) - suite.common_parameters
    if unknown:
        raise NoCall(f"{name} has no parameter {min(unknown)}")
    body = _write_body(api, arguments.get("body"))
    if body is None and (api.get("body") or {}).get("required"):
        raise NoCall(f"{name} requires a body")
    methods = sorted(path["methods"])
    method = methods[zlib.crc32(f"{salt} {name}".encode()) % len(methods)]
    kind = None if body is None else _LINES if _is_lines(api) else _JSON
    return Call(method, _write_target(path["path"], parts, given), body, kind)


def _choose_path(api: Mapping[str, Any], given: set[str]) -> Mapping[str, Any]:
    """The path that takes the most of what is given, and nothing that is not."""
    fitting = [path for path in api["url"]["paths"] if set(path.get("parts", {})) <= given]
    if not fitting:
        raise NoCall("a part of the path is missing")
    return max(fitting, key=lambda path: len(path.get("parts", {})))


def _write_target(template: str, parts: set[str], given: Mapping[str, Any]) -> str:
    path = template
    for part in parts:
        path = path.replace(f"{{{part}}}", quote(_text(given[part]), safe=",*"))
    query = {name: _text(value) for name, value in given.items() if name not in parts}
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _is_lines(api: Mapping[str, Any]) -> bool:
    return (api.get("body") or {}).get("serialize") == "bulk"


def _write_body(api: Mapping[str, Any], body: Any) -> bytes | None:
    if body is None or api.get("body") is None:
        if body is not None:
            raise NoCall("the API takes no body")
        return None
    if not _is_lines(api):
        # a body in a text is YAML in disguise; one that is not is sent as it is, for the node to refuse
        return _dump(load_yaml(body) if isinstance(body, str) else body)
    lines = body.splitlines() if isinstance(body, str) else body if isinstance(body, list) else [body]
    return b"".join((line.strip().encode() if isinstance(line, str) else _dump(line)) + b"\n" for line in lines)


def _dump(value: Any) -> bytes:
    # without spaces, as our own encoder writes: places in error messages then stay where they were
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def ask_for_reranking(call: Call, query_text: str) -> Call:
    """The same search with our own syntax, `ext.rerank.query_text`, in its body; as it was where that is no object."""
    body = {} if call.body is None else json.loads(call.body)
    ext = body.get("ext", {}) if isinstance(body, dict) else None
    if not isinstance(ext, dict):
        return call
    asking = {**body, "ext": {**ext, "rerank": {"query_text": query_text}}}
    return replace(call, body=_dump(asking), content_type=_JSON)
