"""Events, queries and other records for plain indices, in the three forms in which such logs are handed around."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from middleware.catalog.prepare import Prepared
from middleware.catalog.prepare_fields import MAX_ID_BYTES
from middleware.catalog.read import Input, Record, Reject, parse_json

BULK_ACTIONS = ("index", "create")


def read_entries(source: Input, indices: Mapping[str, str], id_field: str | None) -> Iterator[Prepared | Reject]:
    """The documents of `source`, each with the index it belongs to; `indices` maps names of mappings/ to aliases.

    Understood, line by line: Elasticsearch's bulk form (an action line, then the document), `index<TAB>json`, and
    plain JSON objects, which go into the only index or, of UBI's two, into ubi_events if they have an action_name; of
    the two of ads, into ad_impressions if they have a cost.
    Without an id of its own a document gets a hash of its content, so that loading it again changes nothing.
    """
    action: dict[str, Any] | None = None
    for item in source.texts():
        if isinstance(item, Reject):
            action = None
            yield item
            continue
        target, text = _split_tab(item.raw)
        parsed = parse_json(item.line, text)
        if isinstance(parsed, Record) and action is None and target is None:
            action = _bulk_action(parsed.document)
            if action is not None:
                continue
        yield parsed if isinstance(parsed, Reject) else _entry(parsed, action, target, indices, id_field)
        action = None


def _split_tab(raw: str) -> tuple[str | None, str]:
    target, tab, rest = raw.partition("\t")
    if tab and not target.lstrip().startswith("{") and rest.lstrip().startswith("{"):
        return target.strip(), rest
    return None, raw


def _bulk_action(document: dict[str, Any]) -> dict[str, Any] | None:
    if len(document) != 1:
        return None
    name, metadata = next(iter(document.items()))
    return metadata if name in BULK_ACTIONS and isinstance(metadata, dict) else None


def _entry(
    record: Record, action: dict[str, Any] | None, target: str | None, indices: Mapping[str, str], id_field: str | None
) -> Prepared | Reject:
    wanted = target or (action or {}).get("_index") or _guess(record.document, indices)
    index = indices.get(wanted, wanted)
    if index not in indices.values():
        return Reject(record.line, "other_index", f"{wanted!r} is none of {', '.join(indices)}", record.raw)
    identity = (action or {}).get("_id") or record.document.get(id_field or "")
    if identity is None or identity == "":
        plain = json.dumps([index, record.document], sort_keys=True, ensure_ascii=False).encode()
        identity = blake2b(plain, digest_size=16).hexdigest()
    if len(str(identity).encode()) > MAX_ID_BYTES:
        return Reject(record.line, "bad_id", f"an id has 1 to {MAX_ID_BYTES} bytes", record.raw)
    return Prepared(record.line, str(identity), record.document, record.raw, index)


def _guess(document: dict[str, Any], indices: Mapping[str, str]) -> str:
    if len(indices) == 1:
        return next(iter(indices))
    if "action_name" in document:
        return "ubi_events"
    if "ads" in indices:
        return "ad_impressions" if "cost" in document else "ads"
    return "ubi_queries" if "user_query" in document else "neither an event nor a query"
