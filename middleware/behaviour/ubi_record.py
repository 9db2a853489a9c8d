"""The document of `ubi_queries` that a search leaves: what was asked, and what was shown by which variant."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.config import CONTROL, HeaderSettings
from middleware.message import Response
from middleware.personalization.events import write_timestamp
from middleware.search.reasons import Reason
from middleware.search.ubi import Page, UbiQuery

MAX_QUERY_CHARS = 16_384


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a user was shown: `word` is applied, skipped or fallback; what is not known is empty."""

    word: str
    reason: str
    variant: str
    model: str

    def attributes(self) -> dict[str, str]:
        """For `query_attributes`, whose values are texts."""
        names = {"rerank": self.word, "reason": self.reason, "variant": self.variant, "model": self.model}
        return {name if name == "rerank" else f"rerank_{name}": value for name, value in names.items() if value}


def read_exposures(response: Response, names: HeaderSettings, variant: str | None, searches: int) -> list[Exposure]:
    """What the headers of our answer say of each of its `searches`; `variant` is the one assigned to the request.

    Reasons and models stand once each in the headers of an answer to many searches: there each search has all of them.
    """
    word, reason = response.header(names.switch) or "", response.header(names.reason) or ""
    model = response.header(names.model) or ""
    windows = [each.strip() for each in (response.header(names.window) or "").split(",")]
    exposures = []
    for place in range(searches):
        own = word
        if word == "applied" and len(windows) == searches and windows[place] == "0":
            own = "fallback" if reason and not _is_a_skip(reason) else "skipped"
        is_applied = own == "applied"
        arm = CONTROL if reason == Reason.CONTROL else variant or "off"
        exposures.append(Exposure(own, "" if is_applied else reason, arm, model if is_applied else ""))
    return exposures


def _is_a_skip(reasons: str) -> bool:
    return not {Reason.FIRST_STAGE_FAILED, Reason.RERANK_FAILED} & {each.strip() for each in reasons.split(",")}


def make_query_document(
    ubi: UbiQuery, client_hash: str, user_query: str, query: str, page: Page, exposure: Exposure
) -> tuple[str, Mapping[str, Any]]:
    """(`_id`, document); `client_hash` names the user, `query` is the client's own body as text, cut at 16,384."""
    response_id = str(uuid.uuid4())
    document: dict[str, Any] = {
        "timestamp": write_timestamp(time.time()),
        "application": ubi.application,
        "query_id": ubi.query_id,
        "client_id": client_hash,
        "user_query": ubi.user_query or user_query,
        "query": query[:MAX_QUERY_CHARS],
        "object_id_field": ubi.object_id_field,
        "query_attributes": {**ubi.query_attributes, **exposure.attributes()},
        "query_response_id": response_id,
        "query_response_object_ids": list(page.object_ids),
        "query_response_hit_ids": list(page.hit_ids),
    }
    return response_id, {name: value for name, value in document.items() if value != ""}
