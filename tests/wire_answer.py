"""Answers as they came over the wire, read one by one, and what engines draw anew in them masked."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

METERED = ("task_resource_usage",)  # OpenSearch's, with the processor time of this very search
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")
# What an engine draws anew for each request, or takes from its clock: all that may differ between two answers.
MASKS = tuple(
    (what, re.compile(pattern, re.DOTALL | re.MULTILINE), replacement)
    for what, pattern, replacement in (
        ("milliseconds taken", rb'("(?:took|ingest_took)"\s*:\s*)\d+', rb"\1#"),
        ("milliseconds taken, YAML", rb"^([\s-]*took: )\d+", rb"\1#"),
        ("milliseconds taken, CBOR", rb"(\x64took)(?:[\x00-\x17]|\x18.|\x19..|\x1a....)", rb"\1#"),
        ("milliseconds taken, SMILE", rb"(\x83took)(?:[\xc0-\xdf]|\x24[\x00-\x7f]*[\x80-\xbf])", rb"\1#"),
        ("scroll and point-in-time ids", rb'("(?:_scroll_id|pit_id|id)"\s*:\s*")[\w+/=-]{30,}"', rb'\1#"'),
        ("points in time", rb'("creation_time"\s*:\s*)\d+', rb"\1#"),
        ("ids of documents that have none", rb'("_id"\s*:\s*"|/_doc/)[\w-]{20}(?=$|")', rb"\1#"),
        (
            "ids of indices and clusters",
            rb'("(?:index_uuid|(?:index\.)?uuid|cluster_uuid)"\s*:\s*")[\w-]{22}"',
            rb'\1#"',
        ),
        ("ids of indices in messages", rb"\[([a-z0-9.-]+)/[\w-]{22}\]", rb"[\1/#]"),
        ("creation dates", rb'("(?:index\.)?creation_date(?:_string)?"\s*:\s*")[^"]+"', rb'\1#"'),
        ("dates of changes", rb'("(?:created|modified)_date(?:_millis)?"\s*:\s*)("[^"]*"|\d+)', rb"\1#"),
        ("ids of tasks", rb'("task"\s*:\s*")[^"]+"', rb'\1#"'),
        ("versions of the cluster's state", rb'("(?:version_map|state_uuid)"\s*:\s*")[^"]+"', rb'\1#"'),
        ("nanoseconds of a profile", rb'("\w*(?:time_in_nanos|rewrite_time|_time_nanos)"\s*:\s*)\d+', rb"\1#"),
        ("nanoseconds of a profile, by step", rb'("breakdown"\s*:\s*)\{[^}]*\}', rb"\1#"),
        ("stack traces", rb'("stack_trace"\s*:\s*")(?:[^"\\]|\\.)*"', rb'\1#"'),
        ("clock, in tables", rb"^\d{10} \d\d:\d\d:\d\d ", b"# "),
        ("the twin's name", rb"twn-b-", b"twn-a-"),
    )
)


@dataclass(frozen=True)
class Answer:
    """One answer: header names as they came, the body without its framing."""

    status_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.status_line.split()[1])

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def plain(self) -> bytes:
        """The body, decompressed."""
        encoding = self.header("content-encoding")
        if not self.body or encoding is None:
            return self.body
        return gzip.decompress(self.body) if encoding == "gzip" else zlib.decompress(self.body)

    @property
    def masked_body(self) -> bytes:
        return mask(self.plain)

    def masked_headers(self, without: Sequence[str] = ()) -> list[tuple[str, str]]:
        """End-to-end headers in their order; a length that is the body's own says nothing more than the body."""
        own_length = ("content-length",) if self.header("content-length") == str(len(self.body)) else ()
        dropped = {*HOP_BY_HOP, *own_length, *(name.lower() for name in without)}
        kept = (pair for pair in self.headers if pair[0].lower() not in dropped)
        masked = ((name, mask(value.encode("latin-1")).decode("latin-1")) for name, value in kept)
        return [(name, "#" if name.lower() in METERED else value) for name, value in masked]


def mask(text: bytes) -> bytes:
    """The text with everything that an engine draws anew replaced."""
    for _, pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def read_answers(data: bytes, methods: Sequence[str]) -> list[Answer]:
    """The final answers to requests with these methods, in turn; fewer where the connection closed before."""
    answers: list[Answer] = []
    while data and len(answers) < len(methods):
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            raise ValueError(f"an answer without an end of its head: {data[:200]!r}")
        lines = head.decode("latin-1").split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
        answer = Answer(lines[0], headers, b"")
        if answer.status == 100:
            data = rest.removeprefix(b"\r\n") if rest[:2] == b"\r\n" else rest
            continue
        body, data = _read_body(rest, answer, methods[len(answers)])
        answers.append(Answer(lines[0], headers, body))
    return answers


def _read_body(rest: bytes, answer: Answer, method: str) -> tuple[bytes, bytes]:
    if method == "HEAD" or answer.status in (204, 304):
        return b"", rest
    if (answer.header("transfer-encoding") or "").lower() == "chunked":
        return _read_chunks(rest)
    length = answer.header("content-length")
    if length is None:
        return rest, b""
    if len(rest) < int(length):
        raise ValueError(f"{len(rest)} of {length} bytes came")
    return rest[: int(length)], rest[int(length) :]


def _read_chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = bytearray()
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return bytes(body), rest.partition(b"\r\n")[2]
        if rest[length : length + 2] != b"\r\n":
            raise ValueError("a chunk that is not whole")
        body += rest[:length]
        rest = rest[length + 2 :]
