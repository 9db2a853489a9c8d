"""`ext.ubi` read as the plugin reads it, and the answer that has a query_id and is otherwise as it was."""

from __future__ import annotations

import json

import pytest

from middleware.errors import RequestError
from middleware.search.json_text import Unreadable
from middleware.search.ubi import Page, UbiQuery, add_query_ids, read_pages, read_ubi, strip_ubi, widen

UBI = {"query_id": "q1", "client_id": "anna", "user_query": "red shoe", "object_id_field": "ean", "unknown": [1]}


def test_what_a_search_says_of_itself_is_read_and_what_the_plugin_does_not_know_passed_over():
    found = read_ubi({"ext": {"ubi": UBI | {"query_attributes": {"page": 2, "test": True}, "application": "shop"}}})
    assert found == UbiQuery("q1", "anna", "red shoe", "shop", "ean", {"page": "2", "test": "true"})


def test_the_query_of_newer_plugins_is_the_text_of_an_object():
    assert read_ubi({"ext": {"ubi": {"user_query": {"text": "red shoe"}}}}).user_query == "red shoe"


@pytest.mark.parametrize("ubi", ["x", {"query_id": {}}, {"query_attributes": []}, {"client_id": "x" * 101}])
def test_what_the_plugin_would_not_take_is_refused(ubi):
    with pytest.raises(RequestError, match=r"ext\.ubi"):
        read_ubi({"ext": {"ubi": ubi}})


def test_only_the_ubi_of_an_extension_is_taken_out():
    body = {"size": 1, "ext": {"ubi": UBI, "other": {}}}
    assert strip_ubi(body) == {"size": 1, "ext": {"other": {}}}
    assert strip_ubi({"size": 1, "ext": {"ubi": {}}}) == {"size": 1}
    assert strip_ubi(body := {"ext": {"other": 1}}) is body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"took":1.50}', '{"took":1.50,"ext":{"ubi":{"query_id":"q"}}}'),
        ("{}", '{"ext":{"ubi":{"query_id":"q"}}}'),
        ('{"ext":{"a":1},"b":2}', '{"ext":{"a":1,"ubi":{"query_id":"q"}},"b":2}'),
        ('{"ext":{"ubi":{"query_id":"theirs"}}}', '{"ext":{"ubi":{"query_id":"theirs"}}}'),
    ],
)
def test_an_answer_keeps_every_byte_beside_its_id(text, expected):
    assert add_query_ids(text, ["q"], "", is_multi=False) == expected


@pytest.mark.parametrize("answer", [{"took": 1, "hits": {"hits": []}}, {"ext": {"a": {"b": 1}}, "took": 1}])
def test_a_pretty_answer_stays_pretty(answer):
    def pretty(value):
        return json.dumps(value, indent=2, separators=(",", " : ")).replace("[]", "[ ]") + "\n"

    answer_with = {**answer, "ext": {**answer.get("ext", {}), "ubi": {"query_id": "q"}}}
    assert add_query_ids(pretty(answer), ["q"], "", is_multi=False) == pretty(answer_with)


def test_of_many_searches_each_that_was_answered_has_its_own_id():
    text = '{"responses":[{"a":1},{"error":{}},{"b":2}]}'
    written = json.loads(add_query_ids(text, ["q1", "q2", None], "", is_multi=True))
    assert written["responses"] == [{"a": 1, "ext": {"ubi": {"query_id": "q1"}}}, {"error": {}}, {"b": 2}]
    with pytest.raises(Unreadable):
        add_query_ids(text, ["q1"], "", is_multi=True)


@pytest.mark.parametrize(("path", "passes"), [("hits", False), ("ext", True), ("-took", True), ("**.query_id", True)])
def test_filter_path_decides_on_the_id_as_on_everything(path, passes):
    assert ("query_id" in add_query_ids('{"a":1}', ["q"], path, is_multi=False)) is passes


def test_a_filter_is_widened_by_what_the_record_needs():
    query = UbiQuery(object_id_field="ean")
    assert widen("took", [query], is_multi=False) == "took,hits.hits._id,hits.hits._source.ean,hits.hits.fields.ean"
    assert widen("took", [None], is_multi=True) == "took,responses.hits.hits._id"
    assert widen("-took", [query], is_multi=False) == "-took"
    assert widen("", [query], is_multi=False) == ""


def test_a_page_is_read_by_the_field_of_the_objects():
    hits = [{"_id": "1", "_source": {"ean": 7}}, {"_id": "2", "fields": {"ean": ["8"]}}, {"_id": "3"}]
    answer = {"hits": {"hits": hits}}
    by_field, by_id = UbiQuery(object_id_field="ean"), UbiQuery()
    assert read_pages(json.dumps(answer), [by_field], is_multi=False) == [Page(("1", "2", "3"), ("7", "8"))]
    many = json.dumps({"responses": [answer, {"error": {}}, answer]})
    assert read_pages(many, [by_id, by_id, None], is_multi=True) == [Page(("1", "2", "3"), ("1", "2", "3")), None, None]
