"""`GET /_rerank/ubi.js`: the snippet with which a shop's pages send what their visitors do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, request

from middleware.front import OURS

_SOURCE = Path(__file__).parent / "static" / "ubi.js"
_MAX_AGE_S = 3600


def make_ubi_blueprint() -> Blueprint:
    """The route; browsers keep the script for an hour, and then ask whether it has changed."""
    ubi = Blueprint("ubi", __name__, url_prefix=OURS)
    script = small_script()
    tag = hashlib.blake2b(script, digest_size=12).hexdigest()

    @ubi.get("/ubi.js")
    def snippet() -> Response:
        answer = Response(script, content_type="text/javascript; charset=utf-8")
        answer.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        answer.set_etag(tag)
        answer.make_conditional(request)
        return answer

    return ubi


def small_script() -> bytes:
    """The script without comments and indentation, which have lines of their own."""
    lines = (line.strip() for line in _SOURCE.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()
