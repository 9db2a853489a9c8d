"""A request for recommendations as it is read: what decides on its kind, and what is refused."""

from __future__ import annotations

import json

import pytest

from middleware.errors import RequestError
from middleware.recommend.asked import read_asked


def read(parameters=None, body=None, user=None):
    return read_asked(parameters or {}, json.dumps(body).encode() if body is not None else b"", user)


@pytest.mark.parametrize(
    ("parameters", "user", "kind"),
    [
        ({"like": "7"}, None, "similar"),
        ({"like": "7"}, "anna", "similar"),
        ({"user": "anna"}, None, "for_you"),
        ({}, "anna", "for_you"),
        ({}, None, "popular"),
        ({"like": "7", "kind": "bought_together"}, None, "bought_together"),
    ],
)
def test_what_is_given_decides_on_the_kind_unless_one_is_named(parameters, user, kind):
    assert read(parameters, user=user).kind == kind


def test_parameters_of_the_url_win_over_the_body_and_a_user_over_the_header():
    asked = read({"size": "3", "user": "url"}, {"size": 5, "from": 2, "user": "body"}, "header")
    assert (asked.size, asked.start, asked.user) == (3, 2, "url")


def test_what_a_hit_is_to_show_is_passed_on():
    body = {"_source": ["title"], "fields": ["price"], "filter": {"term": {"in_stock": True}}}
    asked = read(body=body)
    assert asked.page == {"_source": ["title"], "fields": ["price"]}
    assert asked.filter == {"term": {"in_stock": True}}
    assert read({"_source": "false"}).page == {"_source": False}
    assert read({"_source": "title,brand"}, body).page == {"_source": ["title", "brand"], "fields": ["price"]}


@pytest.mark.parametrize(
    ("parameters", "body", "word"),
    [
        ({"kind": "best"}, None, "kind"),
        ({"kind": "similar"}, None, "like"),
        ({"kind": "bought_together"}, None, "like"),
        ({"size": "-1"}, None, "size"),
        ({"size": "many"}, None, "size"),
        ({}, {"from": True}, "from"),
        ({}, {"filter": "in_stock"}, "filter"),
        ({}, {"query": {"match_all": {}}}, "query"),
        ({"q": "phone"}, None, "q"),
        ({}, ["filter"], "object"),
        ({}, {"user": {"name": 1}}, "user"),
    ],
)
def test_what_is_wrong_is_refused_by_name(parameters, body, word):
    with pytest.raises(RequestError, match=word):
        read(parameters, body)


def test_a_body_that_is_not_json_is_refused():
    with pytest.raises(RequestError, match="not JSON"):
        read_asked({}, b"{", None)
