"""Valid requests broken in every way that a wire, a client or an attacker can break them; the same for the same seed."""

# ruff: noqa: E501 - one way to break a request a line

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from differential_operations import OPERATIONS
from differential_requests import SEARCHES


@dataclass(frozen=True)
class Draft:
    """A request in parts; its length is declared when it is written, unless `headers` say something else.

    `cut`: send only so many bytes. `half_close`: say that nothing more comes. Else the client stalls.
    """

    line: bytes
    headers: tuple[bytes, ...]
    body: bytes
    how: str = ""
    declares: bool = True
    tail: bytes = b""
    cut: int | None = None
    half_close: bool = False
    flips: tuple[tuple[int, int], ...] = field(default=())

    @property
    def wire(self) -> bytes:
        length = (b"Content-Length: %d" % len(self.body),) if self.declares and self.body else ()
        whole = bytearray(b"\r\n".join((self.line, *self.headers, *length, b"", b"")) + self.body + self.tail)
        for place, value in self.flips:
            whole[place % len(whole)] = value
        return bytes(whole[: self.cut])

    def without(self, *names: bytes) -> tuple[bytes, ...]:
        return tuple(header for header in self.headers if header.partition(b":")[0].lower() not in names)

    def typed(self, media_type: bytes, body: bytes) -> Draft:
        return replace(self, headers=(*self.without(b"content-type"), b"Content-Type: " + media_type), body=body)

    @property
    def path(self) -> bytes:
        return self.line.split(b" ")[1]


_BOOL = b'{"bool":{"must":['


def _drafts() -> list[Draft]:
    """What is broken: searches of every form, what neither writes nor deletes, and our own addresses."""
    drafts = []
    for case in (*SEARCHES, *OPERATIONS):
        wire = case.render({})
        safe = case in SEARCHES or wire.startswith((b"GET ", b"HEAD "))
        if not safe or b"${" in wire or len(case.methods) > 1 or case.chunks or len(wire) > 20_000:
            continue
        head, _, body = wire.partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        drafts.append(Draft(line, tuple(headers), body))
    ours = (
        "GET /_rerank/health",
        "GET /_rerank/explain/dif-main/_search?q=phone",
        "POST /_rerank/explain/dif-main/_search",
    )
    body = b'{"query":{"match":{"title":"phone"}}}'
    for line in ours:
        sent = body if line.startswith("POST") else b""
        drafts.append(
            Draft(
                f"{line} HTTP/1.1".encode(), (b"Host: a", b"Content-Type: application/json", b"Connection: close"), sent
            )
        )
    return [replace(draft, headers=draft.without(b"content-length")) for draft in drafts]


def _flip(draft: Draft, draw: random.Random) -> Draft:
    return replace(
        draft, flips=tuple((draw.randrange(1 << 20), draw.randrange(256)) for _ in range(draw.randint(1, 8)))
    )


def _cut(draft: Draft, draw: random.Random) -> Draft:
    return replace(draft, cut=draw.randrange(1, len(draft.wire)), half_close=draw.random() < 0.8)


def _long_line(draft: Draft, draw: random.Random) -> Draft:
    size = draw.choice((3_000, 5_000, 70_000, 1_100_000))
    method, target, version = draft.line.split(b" ", 2)
    joint = draw.choice((b"/", b"?q=", b"&x=", b"#"))
    return replace(draft, line=b" ".join((method, target + joint + b"y" * size, version)))


def _long_head(draft: Draft, draw: random.Random) -> Draft:
    size, count = draw.choice(((9_000, 1), (70_000, 1), (1_500_000, 1), (10, 390), (10, 500), (60_000, 30)))
    return replace(draft, headers=(*draft.headers, *(b"X-%d: %b" % (number, b"y" * size) for number in range(count))))


def _long_body(draft: Draft, draw: random.Random) -> Draft:
    size = draw.choice((70_000, 1_000_000, 5_000_000))
    return replace(draft, body=draft.body + draw.choice((b" ", b"[", b"\n{}", b"\x00", b'{"a":')) * (size // 3))


def _wrong_length(draft: Draft, draw: random.Random) -> Draft:
    true = len(draft.body)
    lies = (b"%d" % (true + 7), b"%d" % max(0, true - 3), b"-1", b"+2", b"abc", b"1 2", b"0x10", b"", b"9" * 30, b"9" * 5000,
            "²".encode("latin-1"), b"%d, %d" % (true, true), b"%d.0" % true, b"99999999999")  # fmt: skip
    lie = draw.choice(lies)
    twice = (b"Content-Length: %d" % true,) if draw.random() < 0.2 else ()
    return replace(
        draft,
        headers=(*draft.headers, b"Content-Length: " + lie, *twice),
        declares=False,
        half_close=draw.random() < 0.8,
    )


def _wrong_chunks(draft: Draft, draw: random.Random) -> Draft:
    body = draft.body or b"{}"
    good = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    wrong = (good, b"zz\r\n" + body, b"-1\r\n" + body, b"%x\r\n%b" % (len(body) + 9, body), b"%x\r\n%bXX0\r\n\r\n" % (len(body), body),
             b"f" * 40 + b"\r\n" + body, b"1" * 100_000, good[:-2], b"0\r\n" + b"X: y\r\n" * 9000 + b"\r\n", good[:-4] + b"Content-Length: 3\r\n\r\n",
             b"%x;a=\x00\r\n%b\r\n0\r\n\r\n" % (len(body), body), b"\r\n".join(b"1\r\n%c" % byte for byte in body) + b"\r\n0\r\n\r\n",
             b"%x\n%b\n0\n\n" % (len(body), body), b"00000000000%x\r\n%b\r\n000\r\n\r\n" % (len(body), body))  # fmt: skip
    header = draw.choice(
        (b"Transfer-Encoding: chunked",) * 6 + (b"Transfer-Encoding: Chunked ", b"transfer-encoding:\tchunked")
    )
    return replace(
        draft, headers=(*draft.headers, header), body=draw.choice(wrong), declares=False, half_close=draw.random() < 0.8
    )


def _smuggle(draft: Draft, draw: random.Random) -> Draft:
    inner = b"GET /_rerank/health HTTP/1.1\r\nHost: b\r\n\r\n"
    pairs = ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked, identity",), (b"Transfer-Encoding: xchunked",),
             (b"Transfer-Encoding : chunked",), (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), (b"Transfer-Encoding: gzip, chunked",),
             (b"Transfer-Encoding:\x0bchunked",), (b"X: y\r\n Transfer-Encoding: chunked",), (b"Content-Length: 0\nX: y",), (b"X: y\rContent-Length: 3",),
             (b"Content-Length: 4", b"Content-Length: 5"), (b"Content-Length: 4", b"content_length: 90"), (b"Connection: Content-Length", b"Content-Length: 4"),
             (b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked"), (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABk"))  # fmt: skip
    body = b"0\r\n\r\n" + inner if draw.random() < 0.7 else b"3\r\nabc\r\n0\r\n\r\n"
    return replace(
        draft, headers=(*draft.headers, *draw.choice(pairs)), body=body, declares=False, half_close=draw.random() < 0.7
    )


def _broken_encoding(draft: Draft, draw: random.Random) -> Draft:
    body = draft.body or b'{"size":1}'
    squeezed = bytearray(gzip.compress(body, mtime=0))
    squeezed[draw.randrange(len(squeezed))] ^= 0xFF
    bodies = (bytes(squeezed), gzip.compress(body)[:-5], gzip.compress(b" " * 10_000_000), zlib.compress(body)[2:], body, b"", gzip.compress(body) * 2,
              gzip.compress(gzip.compress(body)))  # fmt: skip
    name = draw.choice(
        (b"gzip", b"gzip", b"deflate", b"gzip, gzip", b"br", b"GZIP", b"x-gzip", b"identity", b"\xff", b"zstd")
    )
    return replace(draft, headers=(*draft.headers, b"Content-Encoding: " + name), body=draw.choice(bodies))


def _broken_format(draft: Draft, draw: random.Random) -> Draft:
    kinds = [
        other
        for other in _DRAFTS
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


def _bad_text(draft: Draft, draw: random.Random) -> Draft:
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


def _deep(draft: Draft, draw: random.Random) -> Draft:
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


def _huge_number(draft: Draft, draw: random.Random) -> Draft:
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


def _missing_lines(draft: Draft, draw: random.Random) -> Draft:
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


def _absurd_type(draft: Draft, draw: random.Random) -> Draft:
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


def _doubled(draft: Draft, draw: random.Random) -> Draft:
    extra = draw.choices((b"Host: b", b"Content-Type: text/plain", b"Accept: application/yaml", b"X-Rerank: off", b"X-Rerank: on", b"Connection: keep-alive",
                          b"Content-Encoding: gzip", b"Accept-Encoding: gzip", b"Expect: 100-continue", b"X-Opaque-Id: 1", b"Authorization: Basic !"), k=3)  # fmt: skip
    return replace(draft, headers=(*draft.headers, *extra), half_close=True)


def _odd_head(draft: Draft, draw: random.Random) -> Draft:
    methods = (
        b"get",
        b"G\x00T",
        b"",
        b"QUERY",
        b"CONNECT",
        b"TRACE",
        b"PROPFIND",
        b"POST\t",
        b"M" * 300,
        b"OPTIONS",
        b"PATCH",
        b"HEAD",
        b"G:T",
        b"\xff",
    )
    versions = (b"HTTP/1.1",) * 4 + (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"", b"http/1.1", b"HTTP/1.1 ")
    target = draw.choice(
        (draft.path,) * 4
        + (
            b"*",
            b"",
            b"http://a/b",
            b"//",
            b"/%",
            b"/%00",
            b"dif",
            b"/ /",
            b"a:80",
            b"/_rerank/%2e%2e/x",
            b"/_rerank//",
        )
    )
    odd = draw.choice(
        (
            b"X",
            b": x",
            b"X y: z",
            b"X: \x00",
            b" folded: 1",
            b"X\xff: 1",
            b"X:",
            b"Script_Name: /x",
            b"Path-Info: /y",
            b"X: \x7f",
        )
    )
    headers = (*draft.headers, odd) if draw.random() < 0.5 else draft.headers
    return replace(
        draft, line=b" ".join((draw.choice(methods), target, draw.choice(versions))), headers=headers, half_close=True
    )


def _our_headers(draft: Draft, draw: random.Random) -> Draft:
    values = (
        b"",
        b" ",
        b"on",
        b"off",
        b"control",
        b"default",
        b"\xff\x80",
        b"9" * 5000,
        b"-1",
        b"0",
        b"1",
        b"a,b",
        b"{}",
        b"/",
        b"1e3",
        b"x" * 60_000,
    )
    names = (b"X-Rerank", b"X-Rerank-User", b"X-Rerank-Budget-Ms")
    return replace(
        draft, headers=(*draft.headers, *(name + b": " + draw.choice(values) for name in draw.sample(names, 2)))
    )


def _odd_parameters(draft: Draft, draw: random.Random) -> Draft:
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


def _other_values(draft: Draft, draw: random.Random) -> Draft:
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


def _pipelined(draft: Draft, draw: random.Random) -> Draft:
    tail = draw.choice(
        (
            b"\r\n\r\n",
            b"garbage\r\n\r\n",
            b"\x00" * 9000,
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5,
            b"GET /_rerank/health HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        )
    )
    return replace(draft, headers=draft.without(b"connection"), tail=tail, half_close=draw.random() < 0.8)


MUTATIONS: tuple[Callable[[Draft, random.Random], Draft], ...] = (
    _flip, _cut, _long_line, _long_head, _long_body, _wrong_length, _wrong_chunks, _smuggle, _broken_encoding, _broken_format, _bad_text,
    _deep, _huge_number, _missing_lines, _absurd_type, _doubled, _odd_head, _our_headers, _odd_parameters, _other_values, _pipelined,
)  # fmt: skip
_DRAFTS = _drafts()


def mutants(seed: int, count: int) -> Iterator[Draft]:
    """`count` broken requests, every mutation in turn; some broken twice."""
    draw = random.Random(seed)
    for number in range(count):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        draft, how = mutation(draw.choice(_DRAFTS), draw), mutation.__name__
        if draw.random() < 0.2:
            try:
                second = draw.choice(MUTATIONS)
                draft, how = second(draft, draw), f"{how} {second.__name__}"
            except (ValueError, IndexError, RecursionError):
                how += " alone"  # what the second works on is broken already
        yield replace(draft, how=how)
