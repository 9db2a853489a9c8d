"""ubi.js as the proxy serves it: small, cached, and asked for again only when it has changed."""

from __future__ import annotations

from flask import Flask

from middleware.web.ubi import make_ubi_blueprint, small_script


def client():
    app = Flask("test")
    app.register_blueprint(make_ubi_blueprint())
    return app.test_client()


def test_the_script_is_below_four_kilobytes():
    assert len(small_script()) < 4096


def test_the_script_is_cached_for_an_hour_and_then_asked_for_by_its_tag():
    answer = client().get("/_rerank/ubi.js")
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    again = client().get("/_rerank/ubi.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client().get("/_rerank/ubi.js", headers={"If-None-Match": '"other"'}).data == small_script()
