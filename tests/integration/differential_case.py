"""One exchange of the differential suite as data, and the short forms in which the lists of exchanges are written."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
NDJSON = "application/x-ndjson"
_SEARCH = re.compile(r"(GET|POST) (/+[^/ ?_][^/ ?]*|/+_all)?/+(_m?search)(/+template)?/*(\?|$)")
_EXTRA = b"@extra@"


@dataclass(frozen=True)
class Case:
    """What one connection sends. `${name}` stands for what an earlier answer of the same side gave (`remembers`).

    `form` is the kind of search that may be reranked, empty for everything else; `applied` says that it must be.
    `whole` is the same search without its page. `chunks`: the body goes out in pieces of so many bytes.
    """

    name: str
    head: bytes
    body: bytes = b""
    methods: tuple[str, ...] = ("GET",)
    form: str = ""
    applied: bool = False
    chunks: int = 0
    bodiless: bool = False
    remembers: tuple[tuple[str, str], ...] = ()
    whole: Case | None = None

    def render(self, known: Mapping[str, str], extra: str = "") -> bytes:
        """The bytes for the wire, with `extra` header lines where the request has room for them."""
        head, body = self.head, self.body
        for name, value in known.items():
            head, body = (part.replace(b"${%s}" % name.encode(), value.encode()) for part in (head, body))
        if not self.bodiless and self.chunks:
            pieces = [body[at : at + self.chunks] for at in range(0, len(body), self.chunks)]
            head = head.replace(_EXTRA, b"Transfer-Encoding: chunked\r\n" + _EXTRA, 1)
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
        elif not self.bodiless:
            head = head.replace(_EXTRA, b"Content-Length: %d\r\n%b" % (len(body), _EXTRA), 1)
        return head.replace(_EXTRA, extra.encode("latin-1")) + body


def form_of(line: str) -> str:
    """The form of a search that we may rerank: `search`, `msearch`, each with or without `/template`."""
    found = _SEARCH.match(line)
    return found[3].lstrip("_") + (found[4] or "") if found else ""


def ask(line: str, *headers: str, body: bytes | None = None, note: str = "", **options: Any) -> Case:
    """A request with `Connection: close`; its line lacks the version."""
    version = options.pop("version", "1.1")
    lines = (f"{line} HTTP/{version}", "Host: search.example", *headers, "Connection: close")
    head = "\r\n".join(lines).encode() + b"\r\n" + _EXTRA + b"\r\n"
    methods = (line.split(" ")[0],)
    name = f"{line[:90]}{' ' + note if note else ''}"
    return Case(name, head, body or b"", methods, form_of(line), bodiless=body is None, **options)


def js(line: str, body: Any, *headers: str, **options: Any) -> Case:
    """A request with a JSON body, for which `body` is written (bytes and texts as they are)."""
    typed = any(header.lower().startswith("content-type:") for header in headers)
    return ask(line, *headers, *(() if typed else (f"Content-Type: {JSON}",)), body=encode(body), **options)


def nd(line: str, *items: Any, headers: tuple[str, ...] = (), **options: Any) -> Case:
    """A request with newline-delimited JSON."""
    body = b"".join(encode(item) + b"\n" for item in items)
    typed = any(header.lower().startswith("content-type:") for header in headers)
    return ask(line, *headers, *(() if typed else (f"Content-Type: {NDJSON}",)), body=body, **options)


def raw(name: str, *requests: bytes, **options: Any) -> Case:
    """Bytes as they are, one or several requests on one connection; `@extra@` marks room for a header."""
    methods = tuple(request.split(b" ")[0].decode() for request in requests)
    return Case(name, b"".join(requests), b"", methods, bodiless=True, **options)


def page(line: str, body: Mapping[str, Any], **options: Any) -> Case:
    """A reranked search of one page; the same search without `from` and `size` says what its hits may be."""
    everything = {name: value for name, value in body.items() if name not in ("from", "size")}
    path, _, query = line.partition("?")
    rest = "&".join(part for part in query.split("&") if not part.startswith(("from=", "size=")))
    whole = js(f"{path}?{rest}" if rest else path, everything)
    return js(line, body, applied=True, whole=whole, **options)


def encode(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


def squeeze(body: Any) -> bytes:
    return gzip.compress(encode(body), mtime=0)


def deflate(body: Any) -> bytes:
    return zlib.compress(encode(body))
