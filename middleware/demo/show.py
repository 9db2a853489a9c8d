"""What the demo prints: for each query Elasticsearch's first titles beside ours, with timings and reasons."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from middleware.catalog.demo import DEMO_QUERIES, PERSONAL_QUERY
from middleware.demo.client import INDEX, Answer, ShopClient, search_body

TITLES = 5
USERS = ("anna", "ben")
_PATIENT = {"X-Rerank-Budget-Ms": "60000"}
_FACTS = 3


def show_queries(console: Console, client: ShopClient) -> None:
    """Before and after for the six demo queries."""
    for query in DEMO_QUERIES:
        before = client.search(query.text, size=50, headers={"X-Rerank": "off"})
        after = client.search(query.text, size=TITLES, headers={"X-Rerank": "on", **_PATIENT})
        _show_query(console, query.text, query.note, before, after)


def _show_query(console: Console, text: str, note: str, before: Answer, after: Answer) -> None:
    outcome = after.headers.get("X-Rerank", "")
    reason = after.headers.get("X-Rerank-Reason")
    timing = after.headers.get("Server-Timing", "").replace(";dur=", " ").replace(",", " ms,")
    console.print()
    console.print(Text.assemble((text, "bold cyan"), f"  {note}"))
    if not after.hits:
        console.print(f"  no hit; X-Rerank: {outcome}, {reason}  [dim]{timing} ms[/]")
        return
    ranks = {hit_id: rank for rank, hit_id in enumerate(before.ids, start=1)}
    table = Table(box=None, padding=(0, 2, 0, 2), expand=False)
    table.add_column("Elasticsearch", style="dim", max_width=58, no_wrap=True)
    table.add_column(f"es-rerank ({outcome})", max_width=66, no_wrap=True)
    for old, new in zip(before.hits, after.hits, strict=False):
        table.add_row(_title(text, old), Text.assemble(_moved(ranks.get(str(new["_id"]))), _title(text, new)))
    console.print(table)
    console.print(f"  [dim]{timing} ms[/]")


def _title(text: str, hit: Mapping[str, Any]) -> str:
    source = hit["_source"]
    chinese = any("\u4e00" <= char <= "\u9fff" for char in text)
    return str((chinese and source.get("title_zh")) or source.get("title", ""))


def _moved(rank: int | None) -> tuple[str, str]:
    return (f"#{rank:<3}" if rank else "#50+ ", "green")


def show_personal(console: Console, client: ShopClient) -> None:
    """One query for two users, with the features that made the difference."""
    console.print()
    console.print(Text.assemble((PERSONAL_QUERY, "bold cyan"), "  the same query for two users, from their events"))
    told = {
        user: client.explain(PERSONAL_QUERY, size=TITLES, headers={"X-Rerank-User": user, **_PATIENT}) for user in USERS
    }
    table = Table(box=None, padding=(0, 2, 0, 2))
    for user in USERS:
        table.add_column(f"X-Rerank-User: {user}", max_width=62, no_wrap=True)
    for pair in zip(*(explanation["hits"] for explanation in told.values()), strict=False):
        table.add_row(*(_title_of(hit) for hit in pair))
    console.print(table)
    for user, explanation in told.items():
        console.print(f"  [dim]{user}: {_why(explanation)}[/]")


def _title_of(hit: Mapping[str, Any]) -> str:
    return str(hit["document_text"]).partition(" | ")[0]


def _why(explanation: Mapping[str, Any]) -> str:
    profile = explanation["profile"]
    if not profile:
        return "no profile"
    first = explanation["hits"][0]
    was = f"the first hit, {first['rank_without_profile']}. without a profile"
    return f"{'; '.join(profile['facts'][:_FACTS])}. Of {was}: {'; '.join(first['facts'][:_FACTS]) or 'nothing'}"


def show_next_steps(console: Console, url: str, upstream: str, config: str, serving: bool) -> None:
    """Lines that work when pasted."""
    body = json.dumps(search_body("iPhone 12", 3), separators=(",", ":"))
    ask = f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    lines: Sequence[str] = (
        f"curl -s '{url}/{INDEX}/_search?pretty&filter_path=hits.hits._source.title' {ask}",
        f"curl -s '{url}/{INDEX}/_search?pretty&filter_path=hits.hits._source.title' -H 'X-Rerank: off' {ask}",
        f"curl -s '{url}/{INDEX}/_rerank/explain?user=anna' {ask}",
    )
    console.print()
    console.print("[bold]Try next[/]" if serving else "[bold]Without --once these lines work when pasted[/]")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"  Elasticsearch itself: {upstream}   configuration: {config}", highlight=False)
