"""Both ends of bench_proxy.py, run as processes of their own: the trivial node behind the proxies, the load in front.

bench_proxy_peers.py node PORT
bench_proxy_peers.py load PORT KIND CONNECTIONS SECONDS FIRST   # prints one JSON object
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import statistics
import sys
import time

HITS = 50

GET = (
    b"GET /bench-proxy-products/_doc/1 HTTP/1.1\r\nHost: shop\r\nAccept: application/json\r\nUser-Agent: bench\r\n\r\n"
)
BODY = b'{"query":{"multi_match":{"query":"red running shoe %08d","fields":["title","brand"]}},"size":10}'


def search(switch: bytes) -> bytes:
    head = b"POST /bench-proxy-products/_search HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench\r\n"
    head += (
        b"Accept: application/json\r\nContent-Type: application/json\r\nX-Rerank: %b\r\nContent-Length: %d\r\n\r\n"
        % (switch, len(BODY % 0))
    )
    return head.replace(b"%", b"%%") + BODY


REQUESTS = {"get": GET, "off": search(b"off"), "warm": search(b"on"), "cold": search(b"on")}


class Node(asyncio.Protocol):
    """Answers as Elasticsearch would where it took no time, and as a scoring server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self.transport.write(answer(head, body))  # type: ignore[attr-defined]


def answer(head: bytes, body: bytes) -> bytes:
    target = head.split(b" ", 2)[1].partition(b"?")[0]
    if target.endswith(b"/_search"):
        return SEARCH_ANSWER
    if target == b"/rerank":
        count = len(json.loads(body)["texts"])
        return message(json.dumps([{"index": row, "score": row / count} for row in range(count)]).encode())
    if target == b"/info":
        return message(b'{"max_client_batch_size":1000}')
    return INFO_ANSWER if target == b"/" else DOCUMENT_ANSWER


def message(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def product(number: int) -> dict[str, str]:
    words = f"red running shoe number {number} of a shop with light sole and wide toe box, size {number % 12 + 35}"
    return {"title": words, "brand": f"brand {number % 7}", "category": "shoes", "description": f"{words}. " * 4}


HIT_LIST = [{"_index": "products", "_id": str(n), "_score": 20 - n / 9, "_source": product(n)} for n in range(HITS)]
TOTAL = {"value": HITS, "relation": "eq"}
SEARCH_ANSWER = message(
    json.dumps({"took": 1, "timed_out": False, "hits": {"total": TOTAL, "max_score": 20.0, "hits": HIT_LIST}}).encode()
)
DOCUMENT_ANSWER = message(json.dumps(HIT_LIST[0]).encode())
INFO_ANSWER = message(b'{"version":{"number":"7.17.29","build_flavor":"default"},"tagline":"You Know, for Search"}')


async def serve_node(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Node, "127.0.0.1", port)
    await server.serve_forever()


def generate_load(port: int, kind: str, connections: int, seconds: float, first: int) -> dict[str, object]:
    """A closed loop: every connection sends its next request as soon as it has its answer."""
    number, latencies = first, []
    selector = selectors.EpollSelector()
    template = REQUESTS[kind]

    def send(sock: socket.socket) -> None:
        nonlocal number
        number += kind == "cold"
        sock.sendall(template if kind == "get" else template % (number % 10**8))
        selector.modify(sock, selectors.EVENT_READ, [time.perf_counter(), bytearray(), 0])

    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
        send(sock)
    started = time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(1.0):
            state = key.data
            received = key.fileobj.recv(262_144)  # type: ignore[union-attr]
            if not received:
                raise ConnectionError("the server closed a connection")
            state[1] += received
            state[2] = state[2] or whole_length(state[1], is_reranked=kind in ("warm", "cold"))
            if state[2] and len(state[1]) >= state[2]:
                latencies.append(time.perf_counter() - state[0])
                send(key.fileobj)  # type: ignore[arg-type]
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    return {"count": len(latencies), "seconds": now - started, "ms": [cuts[at] * 1000 for at in (49, 94, 98)]}


def whole_length(data: bytearray, *, is_reranked: bool) -> int:
    """How long the whole answer is, 0 while its head is not there. Raises ValueError where it is no good answer."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = bytes(data[:end]).lower()
    if not head.startswith(b"http/1.1 200") or (is_reranked and b"\r\nx-rerank: applied" not in head):
        raise ValueError(f"answered: {head[:400]!r}")
    return end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])


if __name__ == "__main__":
    if sys.argv[1] == "node":
        asyncio.run(serve_node(int(sys.argv[2])))
    else:
        port, kind, connections, seconds, first = sys.argv[2:]
        print(json.dumps(generate_load(int(port), kind, int(connections), float(seconds), int(first))))
