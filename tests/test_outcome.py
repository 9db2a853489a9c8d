"""The judge of the compatibility table: it lets nothing pass for reranked or passed through that is not."""

from __future__ import annotations

from typing import Any

import pytest
from compatibility import FORMS, between, outcome, put_between, render


def answer(*names: str, **more: Any) -> dict[str, Any]:
    hits = [{"_id": name, "_score": 9.0 - at, "_source": {"n": name}, **more} for at, name in enumerate(names)]
    return {"took": 3, "hits": {"total": {"value": 3}, "max_score": 9.0, "hits": hits}}


def saw(body: Any, *words: str | None) -> dict[str, Any]:
    return {"words": list(words or (None,)), "answer": body}


FAILED = {"error": ["BadRequestError", 400, "parsing_exception"]}
DIRECT = saw(answer("a", "b", "c"))


@pytest.mark.parametrize(
    ("proxied", "expected"),
    [
        (saw(answer("c", "a", "b"), "applied"), "reranked"),
        (saw(answer("a", "b", "c"), "applied"), "reranked"),
        (saw({**answer("a", "b", "c"), "took": 99}, "skipped"), "passed through"),
        (saw(answer("c", "a", "b"), "skipped"), "differs"),
        (saw(answer("c", "a"), "applied"), "differs"),
        (saw(answer("c", "a", "a"), "applied"), "differs"),
        (saw(answer("c", "a", "b", highlight={}), "applied"), "differs"),
        (saw({**answer("c", "a", "b"), "timed_out": True}, "applied"), "differs"),
        (FAILED, "differs"),
    ],
)
def test_a_search_is_judged_by_its_hits_and_by_what_the_proxy_says(proxied, expected):
    assert outcome("search", {"search": DIRECT}, {"search": proxied}) == expected


def test_scores_may_differ_only_where_a_search_was_reranked():
    other = answer("a", "b", "c")
    other["hits"]["hits"][0]["_score"] = 1.0
    assert outcome("search", {"search": DIRECT}, {"search": saw(other, "skipped")}) == "differs"


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([answer("c", "a"), answer("b")], "reranked"),
        ([answer("c", "a"), answer("a")], "differs"),
        ([answer("c", "a", "b"), answer()], "differs"),
    ],
)
def test_pages_are_judged_together_but_each_has_its_size(pages, expected):
    direct = {"pages": saw([answer("a", "b"), answer("c")])}
    assert outcome("pages", direct, {"pages": saw(pages, "applied", "applied")}) == expected


def test_each_response_of_many_is_judged_by_itself():
    direct = {"msearch": saw({"responses": [answer("a", "b"), answer("c")]})}
    ours = saw({"responses": [answer("b", "a"), answer("c")]}, "applied")
    mixed = saw({"responses": [answer("b", "c"), answer("a")]}, "applied")
    assert outcome("msearch", direct, {"msearch": ours}) == "reranked"
    assert outcome("msearch", direct, {"msearch": mixed}) == "differs"


@pytest.mark.parametrize("form", ["retriever", "query_context"])
def test_syntax_that_only_we_understand_must_find_what_the_plain_query_finds(form):
    direct = {"search": DIRECT, form: FAILED}
    assert outcome(form, direct, {form: saw(answer("b", "c", "a"), "applied")}) == "reranked"
    assert outcome(form, direct, {form: saw(answer("b", "c"), "applied")}) == "differs"
    assert outcome(form, direct, {form: FAILED}) == "not in this engine"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (["UnsupportedProductError", None, None], "refused by the client"),
        (["ProductNotSupportedError", None, None], "refused by the client"),
        (["ApiError", 406, "Content-Type header [...] is not supported"], "refused by the engine"),
        (["NotFoundError", 404, None], "not in this engine"),
    ],
)
def test_a_refusal_counts_only_where_it_is_the_same_with_us(error, expected):
    assert outcome("pit", {"pit": {"error": error}}, {"pit": {"error": error}}) == expected
    assert outcome("pit", {"pit": {"error": error}}, {"pit": FAILED}) == "differs"


def test_a_form_that_a_client_does_not_offer_is_neither():
    assert outcome("smile", {}, {}) == "–"


def test_clients_that_saw_the_same_share_a_column_and_versions_their_name():
    columns = {
        ("Elasticsearch 7.17", "py 7"): dict.fromkeys(FORMS, "reranked"),
        ("Elasticsearch 7.17", "py 8"): dict.fromkeys(FORMS, "reranked"),
        ("Elasticsearch 7.17", "curl"): dict.fromkeys(FORMS, "reranked"),
        ("OpenSearch 3.8", "curl"): dict.fromkeys(FORMS, "passed through"),
    }
    head, rule, *rows = render(columns).splitlines()
    assert head == "| form | Elasticsearch 7.17: py 7, 8; curl | OpenSearch 3.8: curl |"
    assert rule == "|---|---|---|"
    assert len(rows) == len(FORMS)
    assert rows[0].endswith("| reranked | passed through |")


def test_a_table_is_put_where_the_readme_marks_its_place():
    readme = "before\n<!-- compatibility -->\nold\n<!-- /compatibility -->\nafter"
    assert between(put_between(readme, "| new |")) == "| new |"
    assert put_between(put_between(readme, "x"), "old") == readme
