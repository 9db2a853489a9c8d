"""Searches of every kind that we rerank, or might, drawn from a seed, each with what its answer must be."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from http_call import ndjson
from load_catalogue import INDEX, NARROW, USERS, WIDE, check_hits, check_scores, draw_text, matching

from middleware.search.formats import Format, read_text, write_text

OURS_TO_GIVE = {"overloaded", "deadline_exceeded"}
"""Why a search of a healthy proxy under load may fall back."""
JSON = {"Content-Type": "application/json"}
TEMPLATE = '{"query": {"match": {"title": "{{text}}"}}, "size": {{size}}, "from": {{start}}}'


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body
        return json.loads(body)

    @property
    def outcome(self) -> str:
        words = (str(self.status), self.headers.get("X-Rerank"), self.headers.get("X-Rerank-Reason"))
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Case:
    """One request; `check` raises AssertionError where the answer is not a right one."""

    target: str
    check: Callable[[Reply], None]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None

    @property
    def verb(self) -> str:
        return self.method or ("GET" if self.body is None else "POST")


def must_be(*statuses: int) -> Callable[[Reply], None]:
    def check(reply: Reply) -> None:
        assert reply.status in statuses

    return check


def check_verdict(reply: Reply, total: int, start: int, window: int) -> None:
    """Applied, or skipped or fallen back for a reason that holds."""
    assert reply.status == 200
    word, reasons = reply.headers.get("X-Rerank"), set((reply.headers.get("X-Rerank-Reason") or "").split(", "))
    if start >= window:
        assert (word, reasons) == ("skipped", {"beyond_window"})
    elif not total:
        assert (word, reasons) == ("skipped", {"no_hits"})
    elif word == "fallback":
        assert reasons <= OURS_TO_GIVE
    else:
        assert word == "applied"
        assert 0 < int(reply.headers["X-Rerank-Window"]) <= min(window, total)


def reranked(text: str, size: int, start: int = 0, window: int = NARROW) -> Callable[[Reply], None]:
    def check(reply: Reply) -> None:
        total = len(matching(text))
        check_verdict(reply, total, start, window)
        check_hits(reply.json, text, size, start)
        if reply.headers.get("X-Rerank-Window") == str(min(window, total)):
            check_scores(reply.json, text, window)

    return check


def query(text: str, size: int, **others: Any) -> dict[str, Any]:
    return {"query": {"match": {"title": text}}, "size": size, **others}


def search(draw: random.Random) -> Case:
    text, size, wide = draw_text(draw), draw.randint(1, 30), draw.random() < 0.3
    switch = {"X-Rerank": "wide"} if wide else {}
    body = json.dumps(query(text, size)).encode()
    return Case(f"/{INDEX}/_search", reranked(text, size, window=WIDE if wide else NARROW), body, JSON | switch)


def search_in_url(draw: random.Random) -> Case:
    text, size = draw_text(draw), draw.randint(1, 10)
    return Case(f"/{INDEX}/_search?q={quote(text)}&df=title&size={size}", reranked(text, size))


def page(draw: random.Random) -> Case:
    text, size, start = draw_text(draw), draw.choice((10, 24)), draw.randrange(0, 80, 10)
    body = json.dumps(query(text, size, **{"from": start})).encode()
    return Case(f"/{INDEX}/_search", reranked(text, size, start), body, JSON)


def highlighted(draw: random.Random) -> Case:
    """What only the page needs comes in a second request."""
    text, size = draw_text(draw), draw.randint(1, 10)

    def check(reply: Reply) -> None:
        reranked(text, size)(reply)
        assert all("<em>" in hit["highlight"]["title"][0] for hit in reply.json["hits"]["hits"])

    body = query(text, size, highlight={"fields": {"title": {}}}, version=True)
    return Case(f"/{INDEX}/_search", check, json.dumps(body).encode(), JSON)


def with_retriever(draw: random.Random) -> Case:
    text, size, window = draw_text(draw), draw.randint(1, 10), draw.choice((10, 20, 60))
    standard = {"standard": {"query": {"match": {"title": text}}}}
    reranker = {"retriever": standard, "field": "title", "inference_text": text, "rank_window_size": window}

    def check(reply: Reply) -> None:
        total = len(matching(text))
        check_verdict(reply, total, 0, window)
        check_hits(reply.json, text, size, most=window)

    body = {"retriever": {"text_similarity_reranker": reranker}, "size": size}
    return Case(f"/{INDEX}/_search", check, json.dumps(body).encode(), JSON)


def of_a_user(draw: random.Random) -> Case:
    text, size = draw_text(draw), draw.randint(1, 10)

    def check(reply: Reply) -> None:
        check_verdict(reply, len(matching(text)), 0, NARROW)
        check_hits(reply.json, text, size)

    body = json.dumps(query(text, size)).encode()
    return Case(f"/{INDEX}/_search", check, body, {**JSON, "X-Rerank-User": f"user-{draw.randrange(USERS)}"})


def in_a_hurry(draw: random.Random) -> Case:
    case = draw.choice((search, page, highlighted, many_searches))(draw)
    return Case(case.target, case.check, case.body, {**case.headers, "X-Rerank-Budget-Ms": str(draw.randint(1, 20))})


def many_searches(draw: random.Random) -> Case:
    texts = [draw_text(draw) for _ in range(draw.randint(2, 6))]
    lines = [line for text in texts for line in ({"index": INDEX}, query(text, 5))]
    return Case("/_msearch", _many(texts), ndjson(lines), {"Content-Type": "application/x-ndjson"})


def many_templates(draw: random.Random) -> Case:
    texts = [draw_text(draw) for _ in range(3)]
    asked = ({"source": TEMPLATE, "params": {"text": text, "size": 5, "start": 0}} for text in texts)
    lines = [line for template in asked for line in ({"index": INDEX}, template)]
    return Case("/_msearch/template", _many(texts), ndjson(lines), {"Content-Type": "application/x-ndjson"})


def _many(texts: Sequence[str]) -> Callable[[Reply], None]:
    def check(reply: Reply) -> None:
        assert reply.status == 200
        assert reply.headers["X-Rerank"] in ("applied", "fallback", "skipped")
        reasons = set((reply.headers.get("X-Rerank-Reason") or "no_hits").split(", "))
        assert reasons <= OURS_TO_GIVE | {"no_hits"}
        for text, response in zip(texts, reply.json["responses"], strict=True):
            check_hits(response, text, 5)

    return check


def template(draw: random.Random) -> Case:
    text, size, start = draw_text(draw), draw.randint(1, 10), draw.choice((0, 0, 10))
    body = {"source": TEMPLATE, "params": {"text": text, "size": size, "start": start}}
    return Case(f"/{INDEX}/_search/template", reranked(text, size, start), json.dumps(body).encode(), JSON)


def in_another_format(draw: random.Random) -> Case:
    text, size = draw_text(draw), draw.randint(1, 10)
    format = draw.choice((Format.YAML, Format.CBOR, Format.SMILE))

    def check(reply: Reply) -> None:
        assert reply.headers["Content-Type"].startswith(f"application/{format}")
        reranked(text, size)(Reply(reply.status, reply.headers, read_text(reply.body, format).encode()))

    body = write_text(json.dumps(query(text, size)), format)
    return Case(f"/{INDEX}/_search", check, body, {"Content-Type": f"application/{format}"})


def compressed(draw: random.Random) -> Case:
    text, size = draw_text(draw), draw.randint(1, 10)
    headers = {**JSON, "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    body = gzip.compress(json.dumps(query(text, size)).encode())
    return Case(f"/{INDEX}/_search", reranked(text, size), body, headers)


def switched_off(draw: random.Random) -> Case:
    text, size, word = draw_text(draw), draw.randint(1, 10), draw.choice(("off", "control"))

    def check(reply: Reply) -> None:
        assert reply.outcome == f"200 skipped {word}"
        check_hits(reply.json, text, size)

    return Case(f"/{INDEX}/_search", check, json.dumps(query(text, size)).encode(), {**JSON, "X-Rerank": word})
