"""Requests of every kind that a shop's proxy meets, searches and others, and how often each comes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from http_call import ndjson
from load_catalogue import EVENTS, INDEX, WRITES, draw_text, matching
from load_gauges import read_gauge
from load_searches import (
    JSON,
    Case,
    Reply,
    compressed,
    highlighted,
    in_a_hurry,
    in_another_format,
    many_searches,
    many_templates,
    must_be,
    of_a_user,
    page,
    query,
    search,
    search_in_url,
    switched_off,
    template,
    with_retriever,
)


def passed_through(draw: random.Random) -> Case:
    number = draw.randrange(500)
    body = json.dumps({"title": f"written {number}", "filler": "x" * draw.choice((10, 1000, 30_000))}).encode()
    lines = [line for at in range(20) for line in ({"index": {"_id": str(number + at)}}, {"title": f"bulk {at}"})]
    bulk = {"Content-Type": "application/x-ndjson"}
    return draw.choice((
        Case("/_cluster/health", must_be(200)),
        Case(f"/{INDEX}/_count", must_be(200)),
        Case(f"/{INDEX}/_doc/{draw.randrange(50)}", must_be(200)),
        Case(f"/{INDEX}/_doc/none", must_be(404)),
        Case(f"/{WRITES}/_doc/{number}", must_be(200, 404), method="HEAD"),
        Case(f"/{WRITES}/_doc/{number}", must_be(200, 201), body, JSON, method="PUT"),
        Case(f"/{WRITES}/_doc/{number}", must_be(200, 404), method="DELETE"),
        Case(f"/{WRITES}/_bulk", must_be(200), ndjson(lines), bulk),
        Case(f"/{EVENTS}/_search?size=20", must_be(200)),
    ))  # fmt: skip


def malformed(draw: random.Random) -> Case:
    text = draw_text(draw)
    body = json.dumps(query(text, 5)).encode()
    return draw.choice((
        Case(f"/{INDEX}/_search", must_be(400), body[: draw.randrange(1, len(body) - 1)], JSON),
        Case(f"/{INDEX}/_search", must_be(400), json.dumps({"query": {"mach": {"title": text}}}).encode(), JSON),
        Case(f"/{INDEX}/_search", must_be(400), json.dumps({**query(text, 5), "size": "many"}).encode(), JSON),
        Case(f"/{INDEX}/_search", must_be(400), body, {**JSON, "X-Rerank": "nobody-knows"}),
        Case(f"/{INDEX}/_search", must_be(400), body, {**JSON, "X-Rerank-Budget-Ms": "soon"}),
        Case("/load-missing/_search", must_be(404), body, JSON),
        Case("/_msearch", must_be(400), b'{"index": "x"}\n{"query": \n', {"Content-Type": "application/x-ndjson"}),
        Case("/_rerank/nothing", must_be(404)),
        Case(f"/{INDEX}/_rerank/explain", must_be(400), b"{", JSON),
    ))  # fmt: skip


def explained(draw: random.Random) -> Case:
    """An explanation has nothing to fall back to: without the model it is a 503 that says so."""
    text = draw_text(draw)

    def check(reply: Reply) -> None:
        if reply.status == 503:
            assert reply.json["error"]["type"] == "rerank_exception"
        elif matching(text):
            assert reply.status == 200
            assert {hit["_id"] for hit in reply.json["hits"]} <= matching(text)
        else:
            assert reply.status == 400

    return Case(f"/{INDEX}/_rerank/explain", check, json.dumps(query(text, 10)).encode(), JSON)


def looked_at(draw: random.Random) -> Case:
    path = draw.choice(("models", "ready", "health", "variants"))
    return Case(f"/_rerank/{path}", must_be(200))


def measured(_: random.Random) -> Case:
    def check(reply: Reply) -> None:
        exposed = reply.body.decode()
        waiting, limit = (read_gauge(exposed, f"es_rerank_engine_{name}") for name in ("waiting", "queue_limit"))
        assert 0 <= waiting <= limit

    return Case("/_rerank/metrics", check)


SHARES: Mapping[Callable[[random.Random], Case], int] = {
    search: 26, search_in_url: 4, page: 8, highlighted: 8, with_retriever: 3, of_a_user: 5, in_a_hurry: 8,
    many_searches: 5, many_templates: 1, template: 4, in_another_format: 6, compressed: 4, switched_off: 5,
    passed_through: 8, malformed: 4, explained: 2, looked_at: 1, measured: 2,
}  # fmt: skip
"""How often each kind comes, relative to the others."""


def draw_case(draw: random.Random) -> tuple[str, Case]:
    """A request, and the name of its kind."""
    kind = draw.choices(list(SHARES), weights=list(SHARES.values()))[0]
    return kind.__name__, kind(draw)
