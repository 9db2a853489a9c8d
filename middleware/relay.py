"""A gunicorn worker that adds nothing and hides nothing: raw request headers in, only the upstream's headers out.

gunicorn's own worker joins repeated request headers, adds `Server` and `Date`, and words its errors in HTML.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from middleware.errors import MiddlewareError, RequestError
from middleware.front import RAW_HEADERS
from middleware.message import CHUNK_BYTES, phrase
from middleware.request_parser import ClientBody, HeadTimeout, RelayParser
from middleware.timed_socket import TimedSocket

# A closed socket with unread bytes takes the answer back (RST), if the client has not read it by then.
_LINGER_S, _LINGER_UNREAD_S = 0.05, 2.0
_STAY_S = 0.01
_LAST_CALL_S = 1.0
_STATUS = {HeadTimeout: 408, LimitRequestLine: 414, ExpectationFailed: 417, LimitRequestHeaders: 431}


class RelayResponse(wsgi.Response):  # type: ignore[misc]
    """A response with no header of gunicorn's own but those of the connection itself."""

    _unsent = b""
    headers_sent: bool

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

    def should_close(self) -> bool:
        """Whether this is the connection's last response; it is where the end of the request's body is not known."""
        return bool(getattr(self.req.body, "failed", False) or super().should_close())

    def send_headers(self) -> None:
        """Have the head go out with the first piece of the body: one packet, and one call, instead of two."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._unsent = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        """Send in pieces, since the client's timeout is that of one piece, not of the whole body."""
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            self._send(b"%X\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)

    def close(self) -> None:
        """Send what is left: the head of an answer without a body, or the end of the chunks."""
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")

    def _send(self, data: bytes) -> None:
        unsent, self._unsent = self._unsent + data, b""
        if unsent:
            self.sock.sendall(unsent)


class RelayWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker with raw headers in the environment and `RelayResponse` as its writer."""

    client_timeout_s: float = 60

    def handle(self, conn: Any) -> Any:
        """Serve what comes on a connection, read by our parser; what is not kept is closed here.

        gunicorn closes in its main loop, where a client that keeps its side open holds up everybody for two seconds;
        and it waits in a thread for five seconds for a new client to say anything.
        """
        if not conn.initialized and not conn.wait_for_data(0 if self.alive else _LAST_CALL_S):
            return _DEFER if self.alive else False
        if conn.parser is None:
            conn.sock = TimedSocket.of(conn.sock)
            conn.parser = RelayParser(self.cfg, conn.sock, conn.client, self.client_timeout_s)
        kept = super().handle(conn)
        while kept is True and self._stays_with(conn):
            kept = super().handle(conn)
        if not kept:
            request = conn.parser.mesg
            whole = request is not None and request.is_read
            util.close_graceful(conn.sock, timeout=_LINGER_S if whole else _LINGER_UNREAD_S)
        return kept

    def _stays_with(self, conn: Any) -> bool:
        """Whether the client's next request comes at once: then its thread serves it, too.

        Handing a connection to the main loop and back costs more than a request. It stays only while there is a thread
        for every connection, so that none waits for this one.
        """
        if not self.alive or self.nr_conns > self.cfg.threads:
            return False
        return bool(conn.parser.unreader.comes_within(_STAY_S))

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Count a connection that `handle` closed, and keep the others; runs in the main loop."""
        if fs.cancelled() or fs.exception() or not fs.result():
            self.nr_conns -= 1
            util.close(conn.sock)
        elif fs.result() is _DEFER and not self.alive:
            self.enqueue_req(conn)  # gunicorn would close it, with a request perhaps under way
        else:
            super().finish_request(conn, fs)

    def _cap_keepalive(self, deadline: float) -> None:
        """A worker that stops waits for those who have not said anything yet no longer than for kept connections."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Serve one request; returns whether the connection may be kept."""
        environ: dict[str, Any] = {}
        response: RelayResponse | None = None
        try:
            response, environ = wsgi.create(
                req, conn.sock, conn.client, conn.server, self.cfg, response_class=RelayResponse
            )
            environ["wsgi.multithread"] = True
            environ["wsgi.input"] = ClientBody(req.body)
            environ[RAW_HEADERS] = req.wire_headers
            if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
                response.force_close()
            self._run_app(environ, response, req)
        except (ConnectionError, TimeoutError) as error:
            self.log.info("%s %s: the client took no answer: %s", req.method, req.path, error)
            return False
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


def relay_worker(client_timeout_s: float) -> type[RelayWorker]:
    """The worker class for gunicorn, which makes its workers itself, with our setting in it."""
    return type("RelayWorker", (RelayWorker,), {"client_timeout_s": client_timeout_s})
