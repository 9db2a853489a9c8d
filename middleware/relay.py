"""A gunicorn worker that adds nothing and hides nothing: raw request headers in, only the upstream's headers out.

gunicorn's own worker joins repeated request headers, adds `Server` and `Date`, and words its errors in HTML.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from gunicorn import util
from gunicorn.http import Request, RequestParser, wsgi
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from middleware.errors import MiddlewareError, RequestError
from middleware.front import RAW_HEADERS
from middleware.message import phrase

_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_STATUS = {LimitRequestLine: 414, LimitRequestHeaders: 431}


class RelayResponse(wsgi.Response):  # type: ignore[misc]
    """A response with no header of gunicorn's own but those of the connection itself."""

    def process_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Take the headers as they are; the front has dropped the hop-by-hop ones."""
        self.headers = list(headers)
        length = next((value for name, value in headers if name.lower() == "content-length"), "")
        self.response_length = int(length) if length.isdecimal() else None

    def default_headers(self) -> list[str]:
        """Status line and hop-by-hop headers."""
        version = ".".join(str(part) for part in self.req.version)
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        lines = [f"HTTP/{version} {self.status}\r\n", f"Connection: {connection}\r\n"]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines


class RelayRequest(Request):  # type: ignore[misc]
    """A request with its target and header names as they were on the wire.

    gunicorn refuses bytes above 127 in the target, which `curl` sends for `?q=...` in any script but Latin, and
    writes all names in capitals.
    """

    wire_headers: tuple[tuple[str, str], ...] = ()

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Let gunicorn read the line with those bytes percent-encoded, then keep the target as it came."""
        super().parse_request_line(_HIGH_BYTE.sub(lambda found: b"%%%02X" % found[0][0], line_bytes))
        if _HIGH_BYTE.search(line_bytes):
            self.uri = line_bytes.split(b" ", 2)[1].decode("latin-1")

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """gunicorn's headers; `wire_headers` are the same with the names as they came."""
        headers: list[tuple[str, str]] = super().parse_headers(data, from_trailer)
        if not from_trailer:
            names = (line.partition(b":")[0].decode("latin-1") for line in data.split(b"\r\n"))
            self.wire_headers = tuple((name, value) for name, (_, value) in zip(names, headers, strict=True))
        return headers


class RelayParser(RequestParser):  # type: ignore[misc]
    """Reads the requests of one connection."""

    mesg_class = RelayRequest


class RelayWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker with raw headers in the environment and `RelayResponse` as its writer."""

    def handle(self, conn: Any) -> Any:
        """Serve what comes on a connection, read by our parser."""
        if conn.parser is None:
            conn.parser = RelayParser(self.cfg, conn.sock, conn.client)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Serve one request; returns whether the connection may be kept."""
        environ: dict[str, Any] = {}
        response: RelayResponse | None = None
        try:
            response, environ = wsgi.create(
                req, conn.sock, conn.client, conn.server, self.cfg, response_class=RelayResponse
            )
            environ["wsgi.multithread"] = True
            environ[RAW_HEADERS] = req.wire_headers
            if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
                response.force_close()
            self._run_app(environ, response, req)
        except OSError:
            raise
        except Exception as error:
            if response is None or not response.headers_sent:
                raise
            # The head is out: closing the connection is the only way left to say that the answer is not whole.
            self.log.warning("%s %s: broken off: %s", req.method, req.path, error)
            return False
        return not response.should_close()

    def _run_app(self, environ: dict[str, Any], response: RelayResponse, req: Any) -> None:
        started = time.monotonic()
        body = self.wsgi(environ, response.start_response)
        try:
            for chunk in body:
                response.write(chunk)
            response.close()
        finally:
            self.log.access(response, req, environ, timedelta(seconds=time.monotonic() - started))
            if hasattr(body, "close"):
                body.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """What the client sees of a request that gunicorn could not parse, or of a bug: Elasticsearch's shape."""
        refused = isinstance(exc, ParseException | OSError)
        error: MiddlewareError = RequestError(str(exc)) if refused else MiddlewareError("internal error")
        status = _STATUS.get(type(exc), error.status)
        if not refused:
            self.log.exception("error handling %s", getattr(req, "uri", "a request"))
        body = json.dumps({**error.body(), "status": status}).encode()
        head = f"HTTP/1.1 {status} {phrase(status)}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("the client of a refused request has gone")
