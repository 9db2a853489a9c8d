"""Answers of both engines in every format: read as JSON text and written back byte for byte."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from format_documents import draw_document, write_documents
from http_call import Answer, call

from middleware.search.formats import (
    Format,
    answer_format,
    decode_body,
    pretty_json,
    read_media_type,
    read_text,
    spell_score,
    split_stream,
    write_text,
)
from middleware.search.hits import read_answer
from middleware.search.json_text import Unreadable, replace_spans

INDEX, STORED = "formats", "formats-stored"
BINARY = (Format.CBOR, Format.SMILE)
NOT_JSON = (*BINARY, Format.YAML)
JSON = {"Content-Type": "application/json"}
MAPPING = {
    "settings": {"number_of_shards": 2, "number_of_replicas": 0},
    "mappings": {
        "dynamic": False,
        "properties": {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "float": {"type": "float"},
            "half": {"type": "half_float"},
            "double": {"type": "double"},
            "long": {"type": "long"},
            "scaled": {"type": "scaled_float", "scaling_factor": 100},
            "day": {"type": "date"},
            "blob": {"type": "binary", "doc_values": True, "store": True},
            "flag": {"type": "boolean"},
            "place": {"type": "geo_point"},
            "address": {"type": "ip"},
            "odd": {"type": "object", "enabled": False},
        },
    },
}
SEARCHES: tuple[dict[str, Any], ...] = (
    {"query": {"match_all": {}}},
    {"query": {"match": {"title": "quark"}}, "explain": True, "version": True, "seq_no_primary_term": True},
    {
        "query": {"match": {"title": {"query": "quark gluon", "boost": 1e-5, "_name": "named"}}},
        "highlight": {"fields": {"title": {}}},
        "docvalue_fields": [
            "float", "half", "double", "long", "scaled", "day", "blob", "flag", "place", "address", "title.raw",
            {"field": "day", "format": "epoch_millis"}, {"field": "float", "format": "0.00"},
        ],
        "stored_fields": ["blob", "_source"],
        "fields": ["*"],
    },
    {
        "size": 3,
        "query": {"function_score": {"query": {"match_all": {}}, "weight": 1e30}},
        "aggs": {
            "stats": {"extended_stats": {"field": "double"}},
            "percentiles": {"percentiles": {"field": "float"}},
            "ranks": {"percentile_ranks": {"field": "float", "values": [0.5, 1e10], "keyed": False}},
            "days": {"date_histogram": {"field": "day", "fixed_interval": "30d"}},
            "steps": {"histogram": {"field": "scaled", "interval": 0.5}},
            "titles": {"terms": {"field": "title.raw"}, "aggs": {"top": {"top_hits": {"size": 1}}}},
            "floats": {"terms": {"field": "float"}},
            "none": {"max": {"field": "none"}},
            "bounds": {"geo_bounds": {"field": "place"}},
            "filters": {"filters": {"filters": {"": {"match_all": {}}, "x" * 200: {"match_all": {}},
            "a: b": {"match_all": {}}}}},
            "ranges": {"range": {"field": "float", "keyed": True, "ranges": [{"to": 0.1}, {"from": 0.1, "to": 1e9}]}},
        },
    },
    {
        "sort": [{"float": "desc"}, {"double": "asc"}, {"long": "asc"}, {"day": "asc"}, {"title.raw": "asc"}, "_score"],
        "track_scores": True,
        "query": {"match": {"title": "gluon"}},
    },
    {"suggest": {"spelt": {"text": "qu\u00e4rk quork gluom", "term": {"field": "title"}},
    "phrases": {"text": "quork gluom", "phrase": {"field": "title"}}}},
    {"profile": True, "query": {"bool": {"must": {"match": {"title": "quark"}},
    "filter": {"exists": {"field": "day"}}}}},
    {"rescore": {"window_size": 5, "query": {"rescore_query": {"match": {"title": "quark"}},
    "rescore_query_weight": -3}}, "query": {"match_all": {}}},
    {"query": {"nonsense": {}}},
    {"sort": "no_such_field"},
    {"query": {"query_string": {"query": "title:("}}},
    {"from": 20_000},
)  # fmt: skip
PARAMETERS = ("", "pretty", "human", "pretty&human", "filter_path=hits.hits._score,aggregations", "typed_keys")


@pytest.fixture(scope="module")
def node(engine_url: str) -> str:
    """A node with the documents."""
    url = engine_url
    call(f"{url}/{INDEX}", method="DELETE")
    assert call(f"{url}/{INDEX}", MAPPING, method="PUT").status == 200
    for number, (body, media_type) in enumerate(write_documents()):
        answer = call(
            f"{url}/{INDEX}/_doc/{number}?format=json", body, method="PUT", headers={"Content-Type": media_type}
        )
        assert answer.status == 201, (number, media_type, answer.body[:500])
    call(f"{url}/{INDEX}/_refresh", method="POST")
    return url


def search(node: str, body: Any, parameters: str, format: Format | None = None) -> Answer:
    asked = f"{parameters}&format={format}" if format else parameters
    return call(f"{node}/{INDEX}/_search?{asked}", body)


def assert_same_round(answer: Answer, format: Format) -> str:
    """The answer's JSON text, having seen that it gives the same bytes again."""
    text = read_text(answer.body, format)
    assert write_text(text, format) == answer.body
    json.loads(text)
    return text


@pytest.mark.integration
@pytest.mark.parametrize("format", NOT_JSON)
def test_documents_indexed_in_any_format_come_back_byte_for_byte(node, format):
    for number in range(len(write_documents())):
        answer = call(f"{node}/{INDEX}/_doc/{number}?format={format}")
        assert answer.status == 200
        assert_same_round(answer, format)


@pytest.mark.integration
def test_documents_drawn_at_random_come_back_byte_for_byte(node):
    draw = random.Random(20)
    for _ in range(25):
        call(f"{node}/{INDEX}/_doc/drawn", {"odd": [draw_document(draw) for _ in range(12)]}, method="PUT")
        for format in NOT_JSON:
            assert_same_round(call(f"{node}/{INDEX}/_doc/drawn?format={format}"), format)


@pytest.mark.integration
@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("format", NOT_JSON)
def test_searches_of_every_kind_come_back_byte_for_byte(node, format, parameters):
    for body in SEARCHES:
        answer = search(node, {"size": 50, **body}, parameters, format)
        media_type = read_media_type(answer.headers["Content-Type"])
        assert media_type is not None
        assert media_type.format is format
        assert_same_round(answer, format)


@pytest.mark.integration
@pytest.mark.parametrize("parameters", ["pretty", "pretty&human", "pretty&filter_path=hits.hits._score,aggregations"])
def test_pretty_answers_are_spread_as_by_the_engine(node, parameters):
    whole = '"top_hits": {"size": 1}'
    for body in SEARCHES:
        without_source = json.loads(json.dumps(body).replace(whole, whole.replace("}", ', "_source": false}')))
        text = search(
            node, {"size": 50, **without_source, "_source": False, "stored_fields": ["blob"]}, parameters
        ).body.decode()
        assert pretty_json(text) == text
        flat = json.dumps(json.loads(text), ensure_ascii=False)
        assert pretty_json(flat).count("\n") == text.count("\n")


@pytest.mark.integration
@pytest.mark.parametrize("format", NOT_JSON)
def test_a_binary_answer_says_what_the_json_answer_says(node, format):
    plain = {name: aggregation for name, aggregation in SEARCHES[3]["aggs"].items() if name not in ("stats", "titles")}
    body = {"size": 50, "query": SEARCHES[3]["query"], "aggs": plain, "sort": ["_doc"]}
    in_json = search(node, body, "filter_path=aggregations,hits.hits._id,hits.hits.sort").json
    text = read_text(search(node, body, "filter_path=aggregations,hits.hits._id,hits.hits.sort", format).body, format)
    assert json.loads(text) == in_json


@pytest.mark.integration
@pytest.mark.parametrize("format", NOT_JSON)
def test_scores_are_spelt_as_the_engine_spells_them(node, format):
    answer = search(node, SEARCHES[1], "", format)
    (response,) = read_answer(read_text(answer.body, format), is_multi=False).responses
    spans = []
    for hit in response.hits:
        score = hit.member("_score")
        assert score is not None
        spans.append((score.value_start, score.end, spell_score(score.value, format)))
        assert response.text[score.value_start : score.end] == spans[-1][2]
    assert len(spans) > 3
    assert write_text(replace_spans(response.text, spans), format) == answer.body


@pytest.mark.integration
@pytest.mark.parametrize("format", list(Format))
def test_request_bodies_mean_to_us_what_they_mean_to_the_engine(node, format):
    body = {
        "size": 2,
        "query": {"bool": {"must": {"match": {"title": {"query": "quark", "boost": 1.5}}}}},
        "explain": True,
    }
    data = write_text(json.dumps(body), format)
    assert decode_body(data, format) == body
    sent = call(
        f"{node}/{INDEX}/_search?format=json&preference=x", data, headers={"Content-Type": f"application/{format}"}
    )
    plain = call(f"{node}/{INDEX}/_search?preference=x", body)
    assert sent.status == 200
    assert sent.json["hits"] == plain.json["hits"]


@pytest.mark.integration
@pytest.mark.parametrize(
    "value",
    ["yes", "No", "on", "OFF", "y", "tRUE", "~", "", "0x1F", "010", "1:30", "1e3", "1.", "+1.5", "+5", ".5",
    "2024-01-01", "=",
     "<<", "!!str 5", "&a x", "*a", "'5'", "1e", "12e03", "{a: yes}", "null ", "9223372036854775808", "01.5", "-.5",
     "[1, '1']",
     "|\n    a\n    b", ">\n    a\n    b", '"\\u00e9\\x41\\n"', "a b # c", "a#b", "'it''s'"],
)  # fmt: skip
def test_yaml_scalars_mean_to_us_what_they_mean_to_the_engine(node, value):
    document = f"---\nodd:\n  t: {value}\n".encode()
    answer = call(
        f"{node}/{INDEX}/_doc/yaml?format=json", document, method="PUT", headers={"Content-Type": "application/yaml"}
    )
    assert answer.status in (200, 201)
    source = call(f"{node}/{INDEX}/_source/yaml?format=json").json
    assert decode_body(document, Format.YAML) == source


@pytest.mark.integration
@pytest.mark.parametrize(
    "data",
    [b"size: 1_000", b"size: 0\n---\nsize: 1\n", b"size: 0\nsize: 0\n", b"size: .inf", b"size: 08",
    b"%YAML 1.1\n---\nsize: 0",
     b"size: 0b1", b"size: !!binary AA==", b"size: !x 1"],
)  # fmt: skip
def test_yaml_that_engines_refuse_or_read_differently_is_unreadable(data):
    with pytest.raises(Unreadable):
        decode_body(data, Format.YAML)


@pytest.mark.integration
@pytest.mark.parametrize("data", ["a26473697a65006473697a6500", "bf6473697a6500ff00", "a16473697a65f7"])
def test_cbor_that_engines_refuse_is_unreadable(node, data):
    body = bytes.fromhex(data)
    assert call(f"{node}/{INDEX}/_search", body, headers={"Content-Type": "application/cbor"}).status >= 400
    with pytest.raises(Unreadable):
        decode_body(body, Format.CBOR)


HEADER, BODY = b'{"index":"formats"}', b'{"size":0}'
STREAMS = {
    "whole": HEADER + b"\n" + BODY + b"\n", "no end": HEADER + b"\n" + BODY,
    "blank first": b"\n" + HEADER + b"\n" + BODY + b"\n",
    "two blank": b"\n\n" + BODY + b"\n", "empty header": (HEADER + b"\n" + BODY + b"\n") + b"\n" + BODY + b"\n",
    "carriage returns": HEADER + b"\r\n" + BODY + b"\r\n",
    "lone header": HEADER + b"\n" + BODY + b"\n" + HEADER + b"\n",
    "spaces": b" \n" + BODY + b"\n", "trailing blank": HEADER + b"\n" + BODY + b"\n\n",
}  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_cut_where_the_engine_cuts_them(node, name):
    data = STREAMS[name]
    version = call(node).json["version"]
    if name == "blank first" and "distribution" not in version and not version["number"].startswith("7."):
        pytest.skip("an empty header from 8 on")
    answer = call(f"{node}/_msearch", data, headers={"Content-Type": "application/x-ndjson"})
    if answer.status == 400:
        assert name == "no end"
        with pytest.raises(Unreadable):
            split_stream(data, Format.JSON)
    else:
        assert len(split_stream(data, Format.JSON)) // 2 == len(answer.json["responses"])


@pytest.mark.integration
def test_smile_streams_end_their_records_with_ff_and_others_have_none(node):
    records = [write_text(part.decode(), Format.SMILE) for part in (HEADER, BODY)]
    data = b"\xff".join([*records, b"", records[1], b""])
    answer = call(f"{node}/_msearch?format=json", data, headers={"Content-Type": "application/smile"})
    assert [response["status"] for response in answer.json["responses"]] == [200, 200]
    assert split_stream(data, Format.SMILE) == [*records, b"", records[1]]
    for format in (Format.CBOR, Format.YAML):
        answer = call(f"{node}/_msearch?format=json", b"x\n", headers={"Content-Type": f"application/{format}"})
        assert answer.status == 406
        with pytest.raises(Unreadable):
            split_stream(b"x\n", format)


ACCEPTS = (
    None, "*/*", "application/json", "application/json, text/plain", "text/plain", "application/*",
    "application/cbor;q=0.5",
    "application/yaml, application/json", "APPLICATION/YAML", "application/yaml; charset=UTF-8",
    "application/x-ndjson", "text/csv",
    "application/vnd.elasticsearch+json;compatible-with=7", "application/vnd.elasticsearch+cbor;compatible-with=7",
    "yaml",
    "application/vnd.opensearch+cbor", "application/yaml ;v=1", "application/yaml;q", "application/cbor;",
    "application/smile",
    "application/foo", "text/yaml", "bogus",
)  # fmt: skip
FORMATS = (None, "json", "yaml", "CBOR", "smile", "bogus", "application/yaml")


@pytest.mark.integration
@pytest.mark.parametrize(
    "request_type", [None, "application/json", "application/yaml; charset=UTF-8", "application/cbor"]
)
def test_the_format_of_the_answer_is_foreseen(node, request_type):
    opensearch = call(node).json["version"].get("distribution") == "opensearch"
    media_type = read_media_type(request_type) if request_type else None
    body = write_text('{"size":0}', media_type.format) if media_type else None
    known = 0
    for accept in ACCEPTS:
        for format in FORMATS:
            headers = ({"Accept": accept} if accept else {}) | ({"Content-Type": request_type} if request_type else {})
            url = f"{node}/{INDEX}/_search?size=0" + (f"&format={format}" if format else "")
            answer = call(url, body, headers=headers)
            foreseen = answer_format(accept, format, media_type, opensearch=opensearch)
            if foreseen is not None:
                known += 1
                assert answer.status == 200
                got = read_media_type(answer.headers["Content-Type"])
                assert got is not None
                assert got.format is foreseen, (accept, format)
    assert known > len(ACCEPTS) * len(FORMATS) / 2
