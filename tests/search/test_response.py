from __future__ import annotations

import json
from typing import Any

import pytest
from requests_of_tests import MATCH, planned, read

from middleware.search.added_fields import cut_added_fields
from middleware.search.formats import Format, read_text
from middleware.search.hits import SearchResponse, read_answer
from middleware.search.json_text import Unreadable, replace_spans
from middleware.search.response import (
    Ranking,
    Written,
    first_stage_ranking,
    has_empty_page_under_exclusion,
    label_hit,
    write_answer,
)


def respond(hits: list[str], **outer: Any) -> bytes:
    rest = "".join(f',"{name}":{json.dumps(value)}' for name, value in outer.items())
    answer = '{ "took" : 3,"_shards":{"total":1,"failed":0},"hits":{"max_score": 9.5, "hits":[' + " , ".join(hits)
    return (answer + f"]}}{rest}}}").encode()


def read_response(data: bytes) -> SearchResponse:
    (found,) = read_answer(data.decode(), is_multi=False).responses
    assert isinstance(found, SearchResponse)
    return found


def hit(number: int, score: str = "1.0", rest: str = "") -> str:
    return f'{{"_index":"products","_id":"{number}","_score": {score} ,"_source":{{"n":1.10}}{rest}}}'


def write(body: dict[str, Any], ranking: Ranking | None = None, hits: int = 4, target: str = "") -> str:
    asked = {**MATCH, **body}, f"/products/_search{target}"
    text = respond([hit(number, f"{9 - number}.5") for number in range(hits)]).decode()
    answer = read_answer(text, is_multi=False)
    (response,) = answer.responses
    written = Written(planned(*asked), response, ranking or first_stage_ranking(response), {}, took_ms=7)
    return write_answer(read(*asked), Format.JSON, answer, [written], {}, took_ms=7).decode()


def ids(answer: str) -> list[str]:
    return [found["_id"] for found in json.loads(answer)["hits"]["hits"]]


def test_elasticsearch_s_order_is_written_as_it_came() -> None:
    assert write({}) == respond([hit(n, f"{9 - n}.5") for n in range(4)]).decode().replace('"took" : 3', '"took" : 7')


def test_a_page_is_cut_from_the_ranking_and_scores_are_replaced() -> None:
    answer = write({"from": 1, "size": 2}, Ranking([3, 1, 0, 2], [0.9, 0.8, 0.7]))
    assert ids(answer) == ["1", "0"]
    assert hit(1, "0.8") in answer
    assert json.loads(answer)["hits"]["max_score"] == 0.9


def test_hits_beyond_the_ranking_keep_their_scores() -> None:
    answer = write({"from": 0, "size": 4}, Ranking([1, 0, 2, 3], [9.0, 8.0]))
    assert hit(2, "7.5") in answer
    assert hit(0, "8.0") in answer


def test_a_page_behind_the_last_hit_is_empty() -> None:
    answer = json.loads(write({"from": 4}, Ranking([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0])))
    assert answer["hits"] == {"max_score": 4.0, "hits": []}


def test_filter_path_is_applied_to_the_answer() -> None:
    assert json.loads(write({"size": 1}, target="?filter_path=took,hits.hits._id")) == {
        "took": 7,
        "hits": {"hits": [{"_id": "0"}]},
    }


@pytest.mark.parametrize(
    ("target", "start", "left"),
    [
        ("?filter_path=-took", 4, True),
        ("?filter_path=-took", 3, False),
        ("?filter_path=took", 4, False),
        ("", 4, False),
    ],
)
def test_an_empty_page_under_an_exclusion_is_noticed(target, start, left) -> None:
    asked = {**MATCH, "from": start}, f"/products/_search{target}"
    response = read_response(respond([hit(number) for number in range(4)]))
    assert has_empty_page_under_exclusion(read(*asked), planned(*asked), response) is left


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"took":1}',
        b'{"hits":{}}',
        b'{"hits":{"hits":[{"_id":"1","_score":null}]}}',
        b'{"hits":{"hits":[{"_id":"1"}]}}',
        b'{"hits":{"hits":["_score"]}}',
        b'{"hits":{"hits":[7]}}',
        b'{"_shards":{"failed":1},"hits":{"hits":[]}}',
        b'{"hits":{"hits":[]},"x":"\xff"}',
        b'{"hits":{"hits":[]},"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_is_not_a_complete_answer_with_scores_is_unreadable(data) -> None:
    with pytest.raises(Unreadable):
        read_answer(read_text(data, Format.JSON), is_multi=False)


@pytest.mark.parametrize(
    ("rest", "left"),
    [
        ("", ""),
        (',"fields":{"title":["x"]}', ""),
        (',"fields":{"title":["x"],"a":[1.10]}', ',"fields":{"a":[1.10]}'),
        (', "fields" : { "a" : [1.10] }', ', "fields" : { "a" : [1.10] }'),
        (',"fields":{"variants":[{"color":["r"]},{"color":["b"]}]}', ""),
        (',"fields":{"variants":[{"color":["r"],"size":["L"]},{"color":["b"]}]}',
         ',"fields":{"variants":[{"size":["L"]}]}'),
        (',"fields":{"variants.color":["r"],"variants.size":["L"]}', ',"fields":{"variants.size":["L"]}'),
        (',"fields":{"variants":["a plain value"]}', ',"fields":{"variants":["a plain value"]}'),
        (',"ignored_field_values":{"title":["x"],"b":[1]},"z":1', ',"ignored_field_values":{"b":[1]},"z":1'),
        (',"fields":{"title":["x"]},"ignored_field_values":{"title":["x"]},"z":1', ',"z":1'),
        (',"inner_hits":{"fields":{"title":["x"]}}', ',"inner_hits":{"fields":{"title":["x"]}}'),
    ],
)  # fmt: skip
def test_only_what_we_added_vanishes_from_a_hit(rest, left) -> None:
    text = respond([hit(0, rest=rest)]).decode()
    (found,) = read_response(text.encode()).hits
    spans = cut_added_fields(text, found, ("title", "variants.color"))
    assert replace_spans(text, spans, found.start, found.end) == hit(0, rest=left)
    assert cut_added_fields(text, found, ()) == []


def test_a_sponsored_hit_is_labelled_in_its_fields_and_nowhere_else() -> None:
    answer = json.loads(write({"size": 3}, Ranking([2, 0, 1, 3], [3.0, 2.0, 1.0], {2: 'a"d'})))
    first, *others = answer["hits"]["hits"]
    assert first["fields"] == {"_sponsored": ['a"d']}
    assert all("fields" not in each for each in others)


@pytest.mark.parametrize(
    ("fields", "left"), [("{}", {}), ('{"price": [1.50]}', {"price": [1.5]}), ('{ "a": [] }', {"a": []})]
)
def test_a_label_stands_beside_other_fields(fields, left) -> None:
    labelled = label_hit(f'{{"_id":"1","fields":{fields},"sort":[1.0]}}', "ad")
    assert json.loads(labelled)["fields"] == left | {"_sponsored": ["ad"]}
    assert labelled.endswith(',"sort":[1.0]}')
