"""The cluster behind us: failover between its nodes, `forward` for streams and `search` for answers that we read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from middleware.config import UpstreamSettings
from middleware.errors import UpstreamError
from middleware.message import CHUNK_BYTES, Request, Response, end_to_end
from middleware.transport import Message, Node, NodeBrokeOff, NodeUnreachable

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_log = logging.getLogger(__name__)


class Upstream:
    """All upstream nodes. Thread-safe."""

    def __init__(self, settings: UpstreamSettings, withheld: Iterable[str] = ()) -> None:
        """`withheld`: names of headers that are for us alone, such as a user's: no node gets them, nor logs them."""
        self._dropped = ("expect", *(name.lower() for name in withheld))
        self._nodes = [Node(url, settings) for url in settings.urls]
        self._turn = 0
        self._lock = threading.Lock()
        self._when_back: Callable[[], None] | None = None

    def call_when_back(self, callback: Callable[[], None]) -> None:
        """Have `callback` called where a node that was passed over answers again; a request waits for it meanwhile."""
        self._when_back = callback

    def forward(self, request: Request, *, safe: bool = False) -> Response:
        """Send the request on untouched and stream the answer back untouched.

        `safe` says that a POST only reads, so that it may be sent again where a connection breaks. Raises UpstreamError
        where no node can be reached or a node breaks off, UpstreamTimeout where one does not answer in time,
        BrokenRequest where the client breaks off.
        """
        safe = safe or request.method in _SAFE_METHODS
        if safe and request.stream is not None:
            request = request.started(CHUNK_BYTES)
        body = None
        if request.has_body:
            body = request.body if request.stream is None else request.chunks()
        chunked = request.has_body and request.length is None
        headers = end_to_end(request.headers, self._dropped)
        repeatable = safe and request.stream is None
        return self._send(Message(request.method, request.target, headers, body, chunked, repeatable))

    def search(self, request: Request, target: str, body: bytes, own_headers: Mapping[str, str]) -> Response:
        """Send a search of ours in the name of the client's `request`: its headers but for ours, our target and body.

        Raises what `forward` raises.
        """
        ours = {"Accept-Encoding": "identity", **own_headers, "Content-Length": str(len(body))}
        replaced = {name.lower() for name in (*ours, "content-encoding")}
        sent = end_to_end(request.headers, self._dropped)
        kept = tuple((name, value) for name, value in sent if name.lower() not in replaced)
        return self._send(Message(request.method, target, (*kept, *ours.items()), body, repeatable=True))

    def _send(self, message: Message) -> Response:
        """The answer of the first node that gives one.

        A node that cannot be reached has seen nothing: the next one is asked. Where a node broke off, a message that
        may arrive twice is sent once more: to another node if there is one, else on a new connection.
        """
        nodes = self._in_turn()
        may_repeat = message.repeatable
        failure = UpstreamError("upstream.urls names no node")
        while nodes:
            node = nodes.pop(0)
            try:
                response = node.exchange(message)
            except NodeUnreachable as error:
                failure = error
                self._bury(node, error)
            except NodeBrokeOff as error:
                if not may_repeat:
                    raise
                failure, may_repeat = error, False
                nodes.append(node)
            else:
                was_dead = node.backoff.failures > 0
                node.backoff.succeeded()
                if was_dead and self._when_back is not None:
                    self._when_back()
                return response
        raise failure

    def _bury(self, node: Node, error: UpstreamError) -> None:
        """Count the node as dead: for `retry_dead_node_ms` at first, longer each time it fails again."""
        with self._lock:
            pause_s = node.backoff.failed(time.monotonic())
        _log.warning("upstream node %s is passed over for %.1f s: %s", node.url, pause_s, error)

    def _in_turn(self) -> list[Node]:
        """Every node once: those to try again, then the living in rotation, then the dead as the last resort.

        A node is tried again by one request at a time, so that a dead one holds up no other request.
        """
        now = time.monotonic()
        with self._lock:
            self._turn = (self._turn + 1) % len(self._nodes)
            rotated = self._nodes[self._turn :] + self._nodes[: self._turn]
            again = [node for node in rotated if node.backoff.failures and node.backoff.until <= now]
            living = [node for node in rotated if not node.backoff.failures]
            dead = [node for node in rotated if node.backoff.failures and node.backoff.until > now]
            for node in again:
                node.backoff.until = now + node.backoff.first_s
        return again + living + dead


def read_all(response: Response, max_bytes: int) -> bytes | None:
    """The whole body of an answer, its connection released; None where it is longer than `max_bytes`."""
    data = bytearray()
    try:
        for chunk in response.body:
            data += chunk
            if len(data) > max_bytes:
                return None
    finally:
        close(response)
    return bytes(data)


def close(response: Response) -> None:
    """Release what an answer holds."""
    release = getattr(response.body, "close", None)
    if release:
        release()


def authorization(request: Request) -> Mapping[str, str]:
    """The client's credentials, for searches that we send for it."""
    value = request.header("authorization")
    return {"Authorization": value} if value else {}
