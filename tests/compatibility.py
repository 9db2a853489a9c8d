"""What became of a form of request: the node's own answer held against the proxy's, and the README's table of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MARKERS = ("<!-- compatibility -->", "<!-- /compatibility -->")
FORMS = {
    "search": "search, query in the body",
    "uri": "search, query in the URL (`q`)",
    "msearch": "`_msearch`",
    "template": "search template, inline",
    "stored_template": "search template, stored",
    "msearch_template": "`_msearch/template`",
    "yaml": "body and answer in YAML",
    "cbor": "body and answer in CBOR",
    "smile": "body and answer in SMILE",
    "gzip": "body and answer compressed",
    "highlight": "highlighting",
    "collapse": "collapse with inner hits",
    "source": "`_source` filtered",
    "pages": "page after page (`from`)",
    "retriever": "retriever `text_similarity_reranker`",
    "query_context": "`ext.rerank.query_context`",
    "scroll": "scroll",
    "pit": "point in time, `search_after`",
    "scan": "scan helper",
    "bulk": "bulk",
    "by_query": "update and delete by query",
    "errors": "errors",
}
SAME_HITS_AS = {"retriever": "search", "query_context": "search"}
"""Forms that an engine may lack but we bring: with these forms' hits, as the same query is asked."""

RERANKED, PASSED, LACKING, DIFFERS = "reranked", "passed through", "not in this engine", "differs"
REFUSED_BY_CLIENT, REFUSED_BY_ENGINE, NOT_OFFERED = "refused by the client", "refused by the engine", "–"
_PRODUCT_CHECKS = ("UnsupportedProductError", "ProductNotSupportedError")
_MEDIA_TYPE_REFUSED = 406
_OF_THE_MOMENT = ("took", "_scroll_id", "pit_id")


def outcome(form: str, direct: Mapping[str, Any], proxied: Mapping[str, Any]) -> str:
    """What a cell says of a form; both are all that one client saw, by form."""
    if form not in direct and form not in proxied:
        return NOT_OFFERED
    there, here = direct[form], proxied[form]
    if "error" in there and there == here:
        return _refusal(*there["error"])
    if "error" in there and "error" not in here and form in SAME_HITS_AS:
        there = direct[SAME_HITS_AS[form]]
    if "error" in there or "error" in here:
        return DIFFERS
    if "applied" in here["words"]:
        return RERANKED if _unordered(there["answer"]) == _unordered(here["answer"]) else DIFFERS
    return PASSED if _steady(there["answer"]) == _steady(here["answer"]) else DIFFERS


def _refusal(name: str, status: int | None, _cause: Any) -> str:
    if name in _PRODUCT_CHECKS:
        return REFUSED_BY_CLIENT
    return REFUSED_BY_ENGINE if status == _MEDIA_TYPE_REFUSED else LACKING


def _steady(answer: Any) -> Any:
    """The answer without what differs from one moment to the next."""
    if isinstance(answer, dict):
        return {name: _steady(value) for name, value in answer.items() if name not in _OF_THE_MOMENT}
    return [_steady(value) for value in answer] if isinstance(answer, list) else answer


def _unordered(answer: Any) -> Any:
    """What reranking may not change: all but `_score`, `max_score` and the order, of pages together, of their hits."""
    if isinstance(answer, list) and answer and all(isinstance(page, dict) and "hits" in page for page in answer):
        hits = [hit for page in answer for hit in page["hits"]["hits"]]
        return [_bag(hits), *(_outside_hits(page) for page in answer)]
    if isinstance(answer, list):
        return [_unordered(value) for value in answer]
    if not isinstance(answer, dict):
        return answer
    if "responses" in answer:
        return [_unordered(response) for response in answer["responses"]]
    return [_bag(answer["hits"]["hits"]), _outside_hits(answer)] if "hits" in answer else _steady(answer)


def _bag(hits: Sequence[Mapping[str, Any]]) -> list[str]:
    kept = [{name: value for name, value in hit.items() if name != "_score"} for hit in hits]
    return sorted(json.dumps(hit, sort_keys=True) for hit in kept)


def _outside_hits(answer: Mapping[str, Any]) -> Any:
    hits = {name: value for name, value in answer["hits"].items() if name not in ("hits", "max_score")}
    return {**_steady(answer), "hits": {**hits, "n": len(answer["hits"]["hits"])}}


def render(columns: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    """The table: a row a form, a column an engine and the clients that saw the same there."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (engine, client), cells in columns.items():
        alike.setdefault((engine, tuple(cells[form] for form in FORMS)), []).append(client)
    heads = [f"{engine}: {_name(clients)}" for (engine, _), clients in alike.items()]
    rows = [" | ".join((label, *(cells[at] for _, cells in alike))) for at, label in enumerate(FORMS.values())]
    return "\n".join(
        (f"| form | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|", *(f"| {row} |" for row in rows))
    )


def _name(clients: Sequence[str]) -> str:
    """The clients, the versions of one library together."""
    versions: dict[str, list[str]] = {}
    for client in clients:
        library, _, version = client.partition(" ")
        versions.setdefault(library, []).append(version)
    return "; ".join(f"{library} {', '.join(numbers)}".strip() for library, numbers in versions.items())


def between(readme: str) -> str:
    """The table that the README holds."""
    return readme.partition(MARKERS[0])[2].partition(MARKERS[1])[0].strip()


def put_between(readme: str, table: str) -> str:
    """The README with `table` in the old one's place."""
    before, opening, rest = readme.partition(MARKERS[0])
    _, closing, after = rest.partition(MARKERS[1])
    return f"{before}{opening}\n{table}\n{closing}{after}"
