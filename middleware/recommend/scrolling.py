"""All hits of a search, page by page: how a catalogue is read through."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any

from middleware.errors import MiddlewareError, UpstreamError
from middleware.own_requests import Ask, hits_of, search_path

_PAGE = 2000
_KEEP_ALIVE = "2m"
_SCROLL = "/_search/scroll"


def scroll(ask: Ask, index: str, body: Mapping[str, Any]) -> Generator[list[Mapping[str, Any]], None, None]:
    """All hits of a search, page by page, as they were at its start. Raises UpstreamError where it breaks off."""
    paged = {**body, "size": _PAGE, "sort": ["_doc"]}
    answer = ask("POST", f"{search_path(index)}?scroll={_KEEP_ALIVE}", paged)
    try:
        while hits := hits_of(answer):
            yield list(hits)
            answer = ask("POST", _SCROLL, {"scroll": _KEEP_ALIVE, "scroll_id": answer["_scroll_id"]})
            if not answer:
                raise UpstreamError(f"the scan of {index} was lost")
    finally:
        if "_scroll_id" in answer:
            with suppress(MiddlewareError):  # it ends by itself, later
                ask("DELETE", _SCROLL, {"scroll_id": answer["_scroll_id"]})
