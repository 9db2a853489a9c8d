"""The first-stage request: the client's own search for the whole window, plus what the second stage must read."""

from __future__ import annotations

from typing import Any

from middleware.search.added_fields import shield_top_hits
from middleware.search.plan import Plan, encode_body

_TAKEN_OVER = ("from", "size", "filter_path")


def first_stage_target(plan: Plan) -> str:
    """The client's raw target without the parameters that we answer for ourselves."""
    return plan.target.without(_TAKEN_OVER)


def first_stage_body(plan: Plan) -> bytes:
    """The client's body from the first hit to the end of the window.

    Document fields come in `_source` where the client gets it whole; otherwise we ask for them under `fields`, which
    leaves `_source` exactly as Elasticsearch filters it.
    """
    body: dict[str, Any] = {**plan.body, "from": 0, "size": plan.first_stage_size}
    if plan.added_fields:
        body = shield_top_hits(body)
        body["fields"] = [*plan.body.get("fields", ()), *plan.added_fields]
    return encode_body(body)
