"""The runner itself: it reads scalars, picks paths, checks and compares as the suites mean it, and can fail."""

from __future__ import annotations

from typing import Any

import pytest

from rest_suites.assertions import check
from rest_suites.calls import Call, NoCall, ask_for_reranking, build_call
from rest_suites.cases import Case, Step, load_yaml, read_cases
from rest_suites.compare import compare, level
from rest_suites.fitness import in_range, why_skipped
from rest_suites.run import Exchange, Outcome
from rest_suites.session import choose
from rest_suites.stash import Failed, look_up, resolve
from rest_suites.supply import Suite
from rest_suites.wire import Answer

GET_OR_POST = ["GET", "POST"]
APIS: dict[str, Any] = {
    "search": {
        "url": {
            "paths": [
                {"path": "/_search", "methods": GET_OR_POST},
                {"path": "/{index}/_search", "methods": GET_OR_POST, "parts": {"index": {}}},
            ]
        },
        "params": {"size": {}},
        "body": {},
    },
    "bulk": {
        "url": {"paths": [{"path": "/_bulk", "methods": ["POST"]}]},
        "params": {"refresh": {}},
        "body": {"serialize": "bulk", "required": True},
    },
}
SUITE = Suite("elasticsearch", {}, APIS, frozenset({"filter_path"}))


def test_a_path_takes_as_many_of_the_parts_as_there_are() -> None:
    call = build_call(SUITE, "search", {"index": ["a b", "c*"], "size": 3, "filter_path": "hits.*"}, "x")
    assert call.target == "/a%20b,c*/_search?size=3&filter_path=hits.%2A"
    assert build_call(SUITE, "search", {}, "x").target == "/_search"


def test_bodies_of_bulk_requests_are_lines_however_the_suite_writes_them() -> None:
    lines = b'{"index":{"_index":"a"}}\n{"n":1.0}\n'
    listed = [{"index": {"_index": "a"}}, {"n": 1.0}]
    text = '{"index":{"_index":"a"}}\n{"n":1.0}\n'
    assert build_call(SUITE, "bulk", {"body": listed}, "x").body == lines
    assert build_call(SUITE, "bulk", {"body": text}, "x").body == lines


@pytest.mark.parametrize(("api", "arguments"), [("bulk", {}), ("search", {"typo": 1}), ("nothing", {})])
def test_arguments_that_fit_no_path_are_no_call(api: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(NoCall):
        build_call(SUITE, api, arguments, "x")


def test_asking_for_reranking_adds_only_our_own_syntax() -> None:
    call = Call("GET", "/_search", b'{"size":1,"ext":{"a":2}}', "application/json")
    asking = ask_for_reranking(call, "red")
    assert asking.body == b'{"size":1,"ext":{"a":2,"rerank":{"query_text":"red"}}}'
    assert (asking.method, asking.target) == ("GET", "/_search")


def test_scalars_are_read_as_the_engines_read_them() -> None:
    read = load_yaml("{a: yes, b: 2017-01-01, c: 1_000, d: 10:30, e: true, f: 1.50, g: , h: 0x1F}")
    assert read == {
        "a": "yes",
        "b": "2017-01-01",
        "c": 1000,
        "d": "10:30",
        "e": True,
        "f": 1.5,
        "g": None,
        "h": "0x1F",
    }


def test_cases_carry_the_setup_and_teardown_of_their_file() -> None:
    frames = "setup:\n- do: {ping: {}}\n---\nteardown:\n- do: {info: {}}\n"
    text = f"{frames}---\n'one':\n- match: {{a: 1}}\n---\ntwo:\n- length: {{a: 2}}\n"
    one, two = read_cases(Suite("elasticsearch", {"get/10.yml": text}, {}, frozenset()))
    assert (one.module, one.name, two.name) == ("get", "get/10.yml: one", "get/10.yml: two")
    assert one.setup == two.setup == (Step("do", {"ping": {}}),)
    assert one.teardown == (Step("do", {"info": {}}),)


BODY = {"a": {"b.c": [1, {"d": "x"}]}, "n": 1.0, "t": "true story", "no": "false", "yes": True}


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("match", {"a.b\\.c.1.d": "x"}, {"a.b\\.c.1.d": "y"}),
        ("match", {"n": 1}, {"n": True}),
        ("match", {"t": "/true \\s story/"}, {"t": "/false/"}),
        ("match", {"a": {"b.c": [1, {"d": "x"}]}}, {"a": {"b.c": [1]}}),
        ("match", {"absent": None}, {"n": None}),
        ("length", {"a.b\\.c": 2}, {"a.b\\.c": 3}),
        ("contains", {"a.b\\.c": {"d": "x"}}, {"a.b\\.c": {"d": "y"}}),
        ("close_to", {"n": {"value": 1.1, "error": 0.2}}, {"n": {"value": 2, "error": 0.2}}),
        ("gt", {"n": 0}, {"n": 1}),
        ("lte", {"n": 1}, {"absent": 1}),
        ("is_true", "yes", "no"),
        ("is_false", "absent", "t"),
    ],
)
def test_each_assertion_holds_and_fails(kind: str, right: Any, wrong: Any) -> None:
    check(kind, right, BODY, {})
    with pytest.raises(Failed):
        check(kind, wrong, BODY, {})


def test_what_is_remembered_stands_in_values_and_paths() -> None:
    stash = {"id": "k", "body": {"k": [7]}, "n": 3}
    assert resolve({"a": "$id", "b": ["${id}-${n}"], "c": "$5"}, stash) == {"a": "k", "b": ["k-3"], "c": "$5"}
    assert look_up({"k": {"z": 1}}, "$id", stash) == "k"
    assert look_up({"k": {"z": 1}}, "_arbitrary_key_", stash) == "k"
    assert look_up({"k": {"z": 1}}, "$body.k.0", stash) == 7
    assert look_up({"k": {"z": 1}}, "k.$id", stash) is None


def test_versions_and_features_decide_who_is_skipped() -> None:
    assert in_range("7.17.29", " - 6.99.99 , 7.17.0 - ", "elasticsearch")
    assert not in_range("7.17.29", " - 7.9.99", "elasticsearch")
    assert not in_range("3.8.0", " - 7.99.99", "opensearch")
    assert in_range("3.8.0", "2.7.0 - ", "opensearch")
    assert in_range("3.8.0", "all", "opensearch")
    assert why_skipped([{"features": ["warnings"]}], "elasticsearch", "7.17.29") is None
    assert why_skipped([{"features": "xpack"}], "elasticsearch", "7.17.29") == "feature xpack"
    assert why_skipped([{"version": "all", "reason": "x"}], "elasticsearch", "7.17.29") == "version all"


def passed(text: str, status: int = 200) -> Outcome:
    return Outcome("passed", 0, "", (Exchange("search", Answer(status, "application/json", (), "", text, None)),))


def test_the_same_end_with_another_answer_is_a_difference() -> None:
    same = compare(lambda: passed('{"took":1,"n":1}'), lambda: passed('{"took": 250, "n": 1}'))
    assert same.difference == ""
    assert "step 0" in compare(lambda: passed('{"n":1}'), lambda: passed('{"n":"1"}')).difference
    assert "step 0" in compare(lambda: passed('{"n":1}'), lambda: passed('{"n":1}', 201)).difference


def test_another_end_is_a_difference_and_a_failure_at_both_ends_is_none() -> None:
    failed = Outcome("failed", 2, "found 127.0.0.1:9200", ())
    assert compare(lambda: failed, lambda: Outcome("failed", 2, "found 127.0.0.1:9300", ())).difference == ""
    assert compare(lambda: failed, lambda: Outcome("failed", 3, "found 127.0.0.1:9200", ())).difference
    assert compare(lambda: failed, lambda: passed("{}")).difference


def test_what_two_direct_runs_do_not_agree_on_is_not_compared() -> None:
    answers = iter(f'{{"random":{number}}}' for number in range(9))
    assert compare(lambda: passed(next(answers)), lambda: passed('{"random":77}')).difference == ""


def test_levelling_leaves_scores_and_fields_alone() -> None:
    text = '{"_score":1.3862942,"price":129,"name":"red-phone-case"}'
    assert level(text) == text


def test_a_sample_is_always_the_same() -> None:
    cases = [Case("search", f"search/{number}", (), (), ()) for number in range(200)]
    chosen = list(choose(cases, {"search*": 25}))
    assert 20 < len(chosen) < 80
    assert chosen == list(choose(cases, {"search*": 25}))
    assert list(choose(cases, {"get": 100})) == []
