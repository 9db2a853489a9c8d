"""A failure under /_rerank/profiles tells where it was, and never of whom it was."""

from __future__ import annotations

import pytest
from flask import Flask

from middleware.config import Settings
from middleware.personalization.identity import Identity
from middleware.privacy.keeping import Keeping
from middleware.web.profiles import make_profiles_blueprint

NAME = "anna@example.org"


class BrokenUpstream:
    def search(self, request, target, body, own_headers):
        raise KeyError(NAME)

    def forward(self, request, *, safe=False):
        raise KeyError(NAME)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unforeseen_failure_is_logged_without_the_name(caplog, method):
    flask = Flask("test")
    flask.register_blueprint(
        make_profiles_blueprint(Settings(), BrokenUpstream(), Identity(b"k" * 32), Keeping())  # type: ignore[arg-type]
    )
    answer = flask.test_client().open(f"/_rerank/profiles/{NAME}", method=method)
    assert (answer.status_code, answer.json["status"]) == (500, 500)
    assert "KeyError" in caplog.text
    assert "archive.py" in caplog.text
    assert NAME not in caplog.text + answer.text
