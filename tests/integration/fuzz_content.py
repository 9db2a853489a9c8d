"""Ways to break what a request says: its body, its types and its parameters."""

# ruff: noqa: E501 - one way to break a request a line

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from dataclasses import replace
from typing import Any

from fuzz_drafts import DRAFTS, Draft

_BOOL = b'{"bool":{"must":['


def broken_encoding(draft: Draft, draw: random.Random) -> Draft:
    body = draft.body or b'{"size":1}'
    squeezed = bytearray(gzip.compress(body, mtime=0))
    squeezed[draw.randrange(len(squeezed))] ^= 0xFF
    bodies = (bytes(squeezed), gzip.compress(body, mtime=0)[:-5], gzip.compress(b" " * 10_000_000, mtime=0), zlib.compress(body)[2:], body, b"", gzip.compress(body, mtime=0) * 2,
              gzip.compress(gzip.compress(body, mtime=0), mtime=0))  # fmt: skip
    name = draw.choice(
        (b"gzip", b"gzip", b"deflate", b"gzip, gzip", b"br", b"GZIP", b"x-gzip", b"identity", b"\xff", b"zstd")
    )
    return replace(draft, headers=(*draft.headers, b"Content-Encoding: " + name), body=draw.choice(bodies))


def broken_format(draft: Draft, draw: random.Random) -> Draft:
    kinds = [
        other
        for other in DRAFTS
        if any(b"cbor" in header or b"smile" in header or b"yaml" in header for header in other.headers)
    ]
    other = draw.choice([kind for kind in kinds if kind.body])
    body = bytearray(other.body)
    for _ in range(draw.randint(1, 4)):
        body[draw.randrange(len(body))] = draw.randrange(256)
    return replace(
        other,
        body=bytes(body)
        + draw.choice((b"", b"\xff" * 9, b"\x9f" * 3000, b"\xf8" * 3000, b"\xbf" * 500, b"[" * 3000, b"&a [*a,*a]")),
    )


def bad_text(draft: Draft, draw: random.Random) -> Draft:
    bad = draw.choice(
        (
            b"\xff\xfe",
            b"\xc3(",
            b"\xed\xa0\x80",
            b"\x00",
            b"\xf4\x90\x80\x80",
            b"\\ud800",
            b"\\u0000",
            b"\xef\xbb\xbf",
            b"\x7f",
        )
    )
    where = draw.randrange(3)
    if where == 0 and draft.body:
        place = draw.randrange(len(draft.body))
        return replace(draft, body=draft.body[:place] + bad + draft.body[place:])
    if where == 1:
        return replace(draft, headers=(*draft.headers, b"X-Bad: " + bad, b"X-Rerank-User: a" + bad))
    method, target, version = draft.line.split(b" ", 2)
    return replace(draft, line=b" ".join((method, target + draw.choice((b"", b"?q=", b"&q=")) + bad, version)))


def deep(draft: Draft, draw: random.Random) -> Draft:
    depth = draw.choice((50, 190, 210, 900, 1100, 5_000, 50_000))
    opening, core, closing = draw.choice(
        ((b'{"query":', b"{}", b"}"), (b"[", b"", b"]"), (_BOOL, b"{}", b"]}}"), (b'{"a":[', b"1", b"]}"))
    )
    if opening == _BOOL:
        depth = min(depth, 100)  # some hundreds overflow a stack in OpenSearch 3.8, and end the node
    body = opening * depth + core + closing * draw.choice((depth, depth, 0))
    return draft.typed(
        b"application/json",
        draw.choice((body, b'{"query":%b}' % body, b'{"ext":{"rerank":%b}}' % body, b'{"aggs":%b}' % body)),
    )


def huge_number(draft: Draft, draw: random.Random) -> Draft:
    number = draw.choice(
        (
            b"1e400",
            b"9" * 5000,
            b"-0",
            b"NaN",
            b"-Infinity",
            b"1E-999999",
            b"0" * 50,
            b"1.0",
            b"2147483648",
            b"-1",
            b"1e9",
            b"true",
            b'"5"',
        )
    )
    name = draw.choice((b"size", b"from", b"min_score", b"track_total_hits", b"terminate_after", b"boost"))
    if draw.random() < 0.3:
        method, target, version = draft.line.split(b" ", 2)
        return replace(
            draft, line=b" ".join((method, target + draw.choice((b"?", b"&")) + name + b"=" + number, version))
        )
    return draft.typed(b"application/json", b'{"query":{"match":{"title":"phone"}},"%b":%b}' % (name, number))


def missing_lines(draft: Draft, draw: random.Random) -> Draft:
    lines = [
        b"{}",
        b'{"query":{"match":{"title":"phone"}}}',
        b'{"index":"dif-main"}',
        b"",
        b"[]",
        b'{"query":',
        b"null",
        b"\x00",
        b'{"index":["a",1]}',
        b'{"index":{}}',
    ]
    body = draw.choice((b"\n", b"\r\n", b"\n\n")).join(draw.choices(lines, k=draw.randint(1, 9))) + draw.choice(
        (b"\n", b"")
    )
    path = draw.choice(
        (b"/_msearch", b"/dif-main/_msearch", b"/_msearch/template", b"/dif-main/_msearch?typed_keys&pretty")
    )
    return replace(draft.typed(b"application/x-ndjson", body), line=b"POST " + path + b" HTTP/1.1")


def absurd_type(draft: Draft, draw: random.Random) -> Draft:
    kinds = (b"", b"/", b";", b"application/json;;;=", b"application/vnd.elasticsearch+json;compatible-with=99999999999999999999", b"*/*", b"text/\xff",
             b"application/json; charset=utf-32", b"a" * 5000, b"application/cbor, application/json", b"multipart/form-data", b"application/yaml",
             b"application/vnd.elasticsearch+;compatible-with=", b"APPLICATION/JSON", b'application/json; charset="', b"application/smile;q=a")  # fmt: skip
    changed = draft.typed(draw.choice(kinds), draft.body)
    headers = (
        *changed.headers,
        b"Accept: " + draw.choice(kinds),
        b"Accept-Encoding: " + draw.choice((b"gzip;q=a", b"*;q=0", b"\xff", b"gzip" * 900)),
    )
    return replace(changed, headers=headers[: draw.choice((-1, len(headers)))])


def odd_parameters(draft: Draft, draw: random.Random) -> Draft:
    names = (
        b"q",
        b"size",
        b"from",
        b"filter_path",
        b"source",
        b"sort",
        b"_source",
        b"format",
        b"pretty",
        b"scroll",
        b"typed_keys",
        b"stored_fields",
        b"%ff",
        b"",
    )
    values = (
        b"",
        b"%",
        b"%00",
        b"**.**.**.**",
        b"-",
        b"_score:desc",
        b"true",
        b"\xff",
        b"%7B%22size%22%3A1e400%7D",
        b"a" * 2500,
        b"1",
        b"-hits.*,hits.hits._id",
        b"yaml",
        b";",
        b"((((" * 300,
    )
    query = draw.choice((b"&", b";", b"&&")).join(
        draw.choice(names) + draw.choice((b"=", b"")) + draw.choice(values) for _ in range(draw.randint(1, 5))
    )
    method, target, version = draft.line.split(b" ", 2)
    return replace(draft, line=b" ".join((method, target.partition(b"?")[0] + b"?" + query, version)))


def other_values(draft: Draft, draw: random.Random) -> Draft:
    """A JSON body with some of its values, or names, replaced by others of any kind."""
    values: tuple[Any, ...] = (
        None,
        True,
        -1,
        1.5e308,
        "",
        "x" * 3000,
        [],
        {},
        [[]],
        {"a": {}},
        "_score",
        ["a", 1],
        {"query": {"match_all": {}}},
        2**70,
        "\ud800",
        {"": ""},
    )
    try:
        body = json.loads(draft.body)
    except (ValueError, RecursionError):
        body = {
            "query": {"match": {"title": "phone"}},
            "size": 3,
            "from": 0,
            "_source": ["title"],
            "ext": {"rerank": {"query_text": "a"}},
        }
    for _ in range(draw.randint(1, 3)):
        holder = body
        while isinstance(holder, dict | list) and holder:
            key: Any = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
            if draw.random() < 0.4 or not isinstance(holder[key], dict | list):
                if isinstance(holder, dict) and draw.random() < 0.2:
                    holder[
                        draw.choice(("query", "ext", "fields", "sort", "retriever", "rank", "pit", "_source", ""))
                    ] = holder[key]
                holder[key] = copy.deepcopy(draw.choice(values))
                break
            holder = holder[key]
    return draft.typed(b"application/json", json.dumps(body).encode())
