"""A valid request in parts, ready to be broken: what the fuzz starts from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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


def _make_drafts() -> list[Draft]:
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
        "GET /dif-main/_rerank/explain?q=phone",
        "POST /dif-main/_rerank/explain",
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


DRAFTS = _make_drafts()
