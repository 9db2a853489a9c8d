"""Ways to break a request's framing, line and headers."""

# ruff: noqa: E501 - one way to break a request a line

from __future__ import annotations

import random
from dataclasses import replace

from fuzz_drafts import Draft


def flip(draft: Draft, draw: random.Random) -> Draft:
    return replace(
        draft, flips=tuple((draw.randrange(1 << 20), draw.randrange(256)) for _ in range(draw.randint(1, 8)))
    )


def cut(draft: Draft, draw: random.Random) -> Draft:
    return replace(draft, cut=draw.randrange(1, len(draft.wire)), half_close=draw.random() < 0.8)


def long_line(draft: Draft, draw: random.Random) -> Draft:
    size = draw.choice((3_000, 5_000, 70_000, 1_100_000))
    method, target, version = draft.line.split(b" ", 2)
    joint = draw.choice((b"/", b"?q=", b"&x=", b"#"))
    return replace(draft, line=b" ".join((method, target + joint + b"y" * size, version)))


def long_head(draft: Draft, draw: random.Random) -> Draft:
    size, count = draw.choice(((9_000, 1), (70_000, 1), (1_500_000, 1), (10, 390), (10, 500), (60_000, 30)))
    return replace(draft, headers=(*draft.headers, *(b"X-%d: %b" % (number, b"y" * size) for number in range(count))))


def long_body(draft: Draft, draw: random.Random) -> Draft:
    size = draw.choice((70_000, 1_000_000, 5_000_000))
    return replace(draft, body=draft.body + draw.choice((b" ", b"[", b"\n{}", b"\x00", b'{"a":')) * (size // 3))


def wrong_length(draft: Draft, draw: random.Random) -> Draft:
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


def wrong_chunks(draft: Draft, draw: random.Random) -> Draft:
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


def smuggle(draft: Draft, draw: random.Random) -> Draft:
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


def doubled(draft: Draft, draw: random.Random) -> Draft:
    extra = draw.choices((b"Host: b", b"Content-Type: text/plain", b"Accept: application/yaml", b"X-Rerank: off", b"X-Rerank: on", b"Connection: keep-alive",
                          b"Content-Encoding: gzip", b"Accept-Encoding: gzip", b"Expect: 100-continue", b"X-Opaque-Id: 1", b"Authorization: Basic !"), k=3)  # fmt: skip
    return replace(draft, headers=(*draft.headers, *extra), half_close=True)


def odd_head(draft: Draft, draw: random.Random) -> Draft:
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


def our_headers(draft: Draft, draw: random.Random) -> Draft:
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


def pipelined(draft: Draft, draw: random.Random) -> Draft:
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
