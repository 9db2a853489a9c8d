"""Small real HTTP servers that speak the documented rerank calls, each refusing what the real one refuses."""

from __future__ import annotations

import hashlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

TEXTS = {"tei": "texts"}
PATHS = {
    "tei": "/rerank",
    "jina": "/v1/rerank",
    "cohere": "/v2/rerank",
    "cohere_v1": "/v1/rerank",
    "vllm": "/v1/rerank",
    "infinity": "/rerank",
    "rerank": "/v1/rerank",
}
KEYS = {
    "tei": {"query", "texts", "truncate", "raw_scores", "return_text", "truncation_direction"},
    "jina": {"model", "query", "documents", "top_n", "return_documents"},
    "cohere": {"model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"},
    "cohere_v1": {"model", "query", "documents", "top_n", "rank_fields", "return_documents", "max_chunks_per_doc"},
    "vllm": {"model", "query", "documents", "top_n", "truncate_prompt_tokens", "priority"},
    "infinity": {"model", "query", "documents", "return_documents", "raw_scores", "top_n"},
    "rerank": {"model", "query", "documents"},
}


def probability(query: str, text: str) -> float:
    """A score for a pair that depends on both, in [0, 1)."""
    digest = hashlib.blake2b(f"{query}\0{text}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def answer_of(api: str, results: list[tuple[int, float]], texts: Sequence[str]) -> Any:
    """The documented answer of each API."""
    if api == "tei":
        return [{"index": index, "score": score} for index, score in results]
    plain = [{"index": index, "relevance_score": score} for index, score in results]
    usage = {"total_tokens": 10, "prompt_tokens": 10}
    if api == "jina":
        return {"model": "m", "object": "list", "usage": usage, "results": plain}
    if api == "cohere":
        return {"id": "1", "results": plain, "meta": {"api_version": {"version": "2"}, "billed_units": {}}}
    if api == "cohere_v1":
        return {"id": "1", "results": plain, "meta": {"api_version": {"version": "1"}}}
    if api == "vllm":
        with_texts = [{**result, "document": {"text": texts[result["index"]]}} for result in plain]
        return {"id": "rerank-1", "model": "m", "usage": {"total_tokens": 10}, "results": with_texts}
    if api == "infinity":
        return {"object": "rerank", "results": plain, "model": "m", "usage": usage, "id": "infinity-1", "created": 1}
    return {"results": plain}


class ScoringServer:
    """Counts connections, keeps requests, and answers after `delay_s`; `status` or `respond` change what it says."""

    def __init__(
        self, api: str, *, unix_path: str | None = None, limit: int = 32, announced: int | None = None
    ) -> None:
        self.api, self.limit, self.announced = api, limit, announced
        self.score: Callable[[str, str], Any] = probability
        self.respond: Callable[[dict[str, Any]], bytes] | None = None
        self.model: str | None = None
        self.status, self.delay_s, self.connections, self.keeps_alive = 200, 0.0, 0, True
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        handler = _handler(self)
        if unix_path:
            self._server: socketserver.BaseServer = _UnixServer(unix_path, handler)
            self.url = f"unix:{unix_path}"
        else:
            self._server = _TcpServer(("127.0.0.1", 0), handler)
            self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def sizes(self) -> list[int]:
        return [len(body[TEXTS.get(self.api, "documents")]) for _, _, body in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, bytes]:
        self.requests.append((path, headers, body))
        texts = body.get(TEXTS.get(self.api, "documents"))
        time.sleep(self.delay_s)
        if path != PATHS[self.api]:
            return 404, b'{"detail":"Not Found"}'
        if self.status != 200:
            return self.status, b'{"error":"as told","error_type":"backend"}'
        if not texts or set(body) - KEYS[self.api] or (self.api != "tei" and "model" not in body):
            return 422, b'{"detail":"a key is missing or unknown"}'
        if len(texts) > self.limit:
            return 413, b'{"error":"batch size > maximum allowed batch size","error_type":"validation"}'
        if self.respond:
            return 200, self.respond(body)
        results = [(index, self.score(body["query"], text)) for index, text in enumerate(texts)]
        results.sort(key=lambda result: -result[1])
        return 200, json.dumps(answer_of(self.api, results, texts)).encode()


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close = True, True, False


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads, block_on_close = True, False


def _handler(server: ScoringServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment
        disable_nagle_algorithm = False

        def setup(self) -> None:
            if self.request.family != socket.AF_UNIX:
                self.disable_nagle_algorithm = True
            super().setup()
            server.connections += 1

        def address_string(self) -> str:
            return "client"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(*server._answer(self.path, dict(self.headers), body))

        def do_GET(self) -> None:
            told = {"model_id": "m", "max_client_batch_size": server.announced}
            known = self.path == "/info" and server.announced is not None
            self._send(200 if known else 404, json.dumps(told).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if server.model:
                self.send_header("X-Rerank-Model", server.model)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = not server.keeps_alive

        def log_message(self, *_: Any) -> None: ...

    return Handler
