"""The raw requests of the differential suite that search: every form, format and encoding, and their errors."""

# ruff: noqa: E501 - one request a line

from __future__ import annotations

import json
from typing import Any

import yaml
from binary_json import to_cbor, to_smile
from differential_case import Case, ask, deflate, js, nd, page, raw, squeeze

MAIN, PLAIN = "dif-main", "raw-main"
MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "properties": {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "brand": {"type": "keyword"},
            "price": {"type": "double"},
            "day": {"type": "date"},
            "variants": {"type": "nested", "properties": {"color": {"type": "text"}}},
        }
    },
}
_TITLES = (
    "usb case", "usb cable for phone", "phone case pro", "case", "leather phone case with usb", "手机 phone",
    "phone", "usb hub \\u00e9\\/", "charger for phone case",
)  # fmt: skip
DOCUMENTS = tuple(
    f'{{"title":"{title}",  "brand": "{"Acme" if number % 2 else "Zeta"}","price":{number}.50,'
    f'"day":"2024-02-0{number + 1}","odd":1.10e1,"variants":[{{"color":"red phone"}},{{"color":"blue"}}]}}'
    for number, title in enumerate(_TITLES)
)
S = f"POST /{MAIN}/_search"
G = f"GET /{MAIN}/_search"
Q: dict[str, Any] = {"query": {"match": {"title": "phone case"}}}
QS = json.dumps(Q, separators=(",", ":"))
ENCODED = "%7B%22query%22%3A%7B%22match%22%3A%7B%22title%22%3A%22usb%20phone%22%7D%7D%7D"
_T = {"source": {"query": {"match": {"title": "{{text}}"}}}, "params": {"text": "phone case"}}
_BOOL = {"bool": {"must": [{"match": {"title": "phone"}}], "filter": [{"term": {"brand": "Acme"}}]}}
_NESTED = {"nested": {"path": "variants", "query": {"match": {"variants.color": "red"}}, "inner_hits": {}}}
_VENDOR = "application/vnd.elasticsearch+"


def _vendor(kind: str, version: int) -> tuple[str, str]:
    media_type = f"{_VENDOR}{kind};compatible-with={version}"
    return f"Content-Type: {media_type}", f"Accept: {media_type}"


def _plain_searches() -> list[Case]:
    """JSON `_search`, which must be reranked."""
    bodies: dict[str, dict[str, Any]] = {
        "match": Q,
        "multi_match": {"query": {"multi_match": {"query": "phone case", "fields": ["title^2", "brand"]}}},
        "bool": {"query": _BOOL},
        "dis_max": {"query": {"dis_max": {"queries": [Q["query"], {"match": {"title": "usb"}}]}}},
        "constant_score": {"query": {"bool": {"must": Q["query"], "should": {"constant_score": {"filter": _BOOL}}}}},
        "function_score": {"query": {"function_score": {"query": Q["query"], "weight": 2}}},
        "boosting": {"query": {"boosting": {"positive": Q["query"], "negative": _BOOL, "negative_boost": 0.5}}},
        "query_string": {"query": {"query_string": {"query": "title:(phone OR usb) AND case"}}},
        "simple_query_string": {"query": {"simple_query_string": {"query": "phone +case", "fields": ["title"]}}},
        "phrase": {"query": {"match_phrase": {"title": "phone case"}}},
        "phrase prefix": {"query": {"match_phrase_prefix": {"title": "phone ca"}}},
        "nested with inner hits": {"query": {"bool": {"must": [Q["query"]], "should": [_NESTED]}}},
        "source off": {**Q, "_source": False},
        "source filtered": {**Q, "_source": {"includes": ["b*"], "excludes": ["brand"]}},
        "fields": {**Q, "_source": ["price"], "fields": ["title", {"field": "day", "format": "yyyy"}]},
        "docvalue_fields": {**Q, "docvalue_fields": ["brand", {"field": "day", "format": "epoch_millis"}]},
        "stored_fields": {**Q, "stored_fields": ["_source"]},
        "highlight": {**Q, "highlight": {"fields": {"title": {}}}},
        "aggregations": {**Q, "aggs": {"brands": {"terms": {"field": "brand"}, "aggs": {"top": {"top_hits": {}}}}}},
        "suggest": {**Q, "suggest": {"mine": {"text": "phoen", "term": {"field": "title"}}}},
        "post_filter": {**Q, "post_filter": {"term": {"brand": "Acme"}}},
        "rescore": {**Q, "rescore": {"window_size": 5, "query": {"rescore_query": {"match": {"title": "usb"}}}}},
        "version and seq_no": {**Q, "version": True, "seq_no_primary_term": True},
        "explain": {**Q, "explain": True},
        "profile": {**Q, "profile": True},
        "sort by score": {**Q, "sort": ["_score"]},
        "min_score": {**Q, "min_score": 0.3},
        "track_total_hits": {**Q, "track_total_hits": 2},
        "indices_boost": {**Q, "indices_boost": [{MAIN: 2}]},
        "named queries": {"query": {"match": {"title": {"query": "phone", "_name": "mine"}}}},
        "timeout": {**Q, "timeout": "10s", "terminate_after": 1000},
        "unicode": {"query": {"match": {"title": "手机 phone"}}},
        "collapse": {**Q, "collapse": {"field": "brand"}},
    }
    parameters = (
        "pretty", "human&pretty=true", "typed_keys", "rest_total_hits_as_int=true", "filter_path=hits.hits._id,took",
        "filter_path=-hits.hits._source", "_source=title", "_source_excludes=odd", "preference=_local", "format=json",
        "error_trace=true", "search_type=dfs_query_then_fetch", "request_cache=false&version=true", "allow_no_indices=true",
        "ignore_unavailable=true;pretty",
    )  # fmt: skip
    targets = (f"GET /{MAIN}/_search", f"POST /{MAIN}%2C{MAIN}/_search", "GET //dif-main//_search", "POST /dif-m*/_search",
               f"GET /{MAIN}/_search/", "POST /%64if-main/_search")  # fmt: skip
    return [
        *(js(S, body, note=note, applied=True) for note, body in bodies.items()),
        *(js(f"{S}?{query}", Q, applied=True) for query in parameters),
        *(js(target, Q, applied=True, note="target") for target in targets),
        *(page(S, {**Q, "from": start, "size": size}, note=f"{start}+{size}") for start, size in ((0, 3), (2, 2), (5, 9))),
        page(f"{S}?from=1&size=2", Q),
        js(S, ' { "query" :\n {"match": {"title": "usb"}}, "ext": {} } ',
           applied=True, note="spaces"),
        js(S, Q, "Content-Type: application/json; charset=UTF-8", applied=True, note="charset"),
        js(S, Q, "Accept: */*", "X-Opaque-Id: mine", "User-Agent: curl/8", applied=True, note="opaque"),
        js(S, Q, "X-A: 1", "X-A: 2", "x-a: 3", "Cookie: a=b", "Cookie: c=d", applied=True, note="repeated headers"),
        js(S, Q, applied=True, chunks=7, note="chunked"),
        js(S, Q, applied=True, version="1.0", note="HTTP/1.0"),
    ]  # fmt: skip


def _uri_searches() -> list[Case]:
    applied = ("q=phone", "q=title:phone+case&df=title", "q=title%3Aphone%20case&pretty", "q=%E6%89%8B%E6%9C%BA%20phone",
               "q=usb&default_operator=AND&df=title", "q=phone&q=case", "q=phone;pretty")  # fmt: skip
    errors = (
        "q=手机",
        "routing=",
        "q=title:(",
        "q=phone&size=-1",
        "q=phone&from=20000",
        "q=phone&unknown=1",
        "q=%zz",
        "size=abc",
        "format=bogus",
    )
    return [
        *(ask(f"{G}?{query}", applied=True) for query in applied),
        *(ask(f"{G}?{query}") for query in errors),
        ask(f"{G}?q=phone&format=yaml", applied=True),
        ask(f"{G}?q=phone", "Accept: application/yaml", applied=True, note="yaml"),
        ask(f"{G}?q=phone", "Accept: application/cbor", applied=True, note="cbor"),
        ask(f"{G}?q=phone", "Accept: application/smile", applied=True, note="smile"),
        ask(f"{G}?q=phone&format=cbor", applied=True),
        ask(f"{G}?q=phone&format=smile", applied=True),
        ask(f"{G}?q=phone", "Accept-Encoding: gzip", applied=True, note="gzip answer"),
        ask(f"{G}?q=phone", "Accept-Encoding: deflate", applied=True, note="deflate answer"),
        ask(f"{G}?q=phone", "Accept-Encoding: br;q=1.0, gzip;q=0.5", applied=True, note="br or gzip answer"),
        ask(f"{G}?source={ENCODED}&source_content_type=application%2Fjson", applied=True),
        ask(f"{G}?pretty&source={ENCODED}"),
        ask(f"{G}?q=phone", "Accept: text/html", note="html"),
        ask(f"{G}?q=phone", "Accept: application/json, text/plain, */*", applied=True, note="axios"),
    ]  # fmt: skip


def _formats() -> list[Case]:
    text = yaml.safe_dump(Q).encode()
    bodies = (("yaml", text), ("cbor", to_cbor(Q)), ("smile", to_smile(Q)))
    cases = []
    for kind, body in bodies:
        own = f"Content-Type: application/{kind}"
        cases += [
            ask(S, own, body=body, applied=True, note=kind),
            ask(S, own, f"Accept: application/{kind}", body=body, applied=True, note=f"{kind} both ways"),
            ask(S, own, "Accept: application/json", body=body, applied=True, note=f"{kind} to json"),
            ask(f"{S}?pretty", own, "Content-Encoding: gzip", body=squeeze(body), applied=True, note=f"{kind} gzip"),
            ask(S, own, body=body[:-3], note=f"{kind} cut"),
            js(S, Q, own, note=f"json said to be {kind}"),
        ]
        cases += [
            ask(S, *_vendor(kind, version), body=body, applied=True, note=f"{kind} {version}") for version in (7, 8)
        ]
    return [
        *cases,
        *(js(S, Q, *_vendor("json", version), applied=True, note=f"json {version}") for version in (7, 8, 9)),
        js(S, Q, _vendor("json", 7)[0], note="vendor type without accept"),
        js(S, Q, "Content-Encoding: gzip", note="not gzip"),
        ask(S, "Content-Type: application/json", "Content-Encoding: gzip", body=squeeze(Q), applied=True, note="gzip"),
        ask(S, "Content-Type: application/json", "Content-Encoding: deflate", body=deflate(Q), applied=True, note="deflate"),
        ask(S, "Content-Type: application/json", "Content-Encoding: gzip", "Accept-Encoding: gzip", body=squeeze(Q),
            applied=True, chunks=9, note="gzip both ways, chunked"),
        ask(S, "Content-Type: application/json", "Content-Encoding: gzip", body=squeeze(Q)[:-9], note="gzip cut"),
        js(S, Q, "Content-Encoding: br", note="brotli said"),
        js(S, Q, "Content-Encoding: identity", applied=True, note="identity"),
        js(S, Q, "Content-Type: text/plain", note="text"),
        js(S, Q, "Content-Type: application/x-www-form-urlencoded", note="form"),
        js(S, Q, "Content-Type: nonsense", note="nonsense"),
        js(S, Q, "Content-Type: application/x-ndjson", note="ndjson"),
        ask(S, body=QS.encode(), note="no content type"),
    ]  # fmt: skip


def _multi_searches() -> list[Case]:
    items = ({"index": MAIN}, Q, {}, {**Q, "size": 2, "sort": ["price"]}, {"index": "missing"}, Q)
    two = ({"index": MAIN}, Q, {}, {"query": {"match": {"title": "usb"}}})
    body = b"".join(json.dumps(item).encode() + b"\n" for item in ({}, Q, {}, two[3]))
    line, template = f"POST /{MAIN}/_msearch", f"POST /{MAIN}/_search/template"
    rendered = {"source": '{"query":{"match":{"title":"{{text}}"}}}', "params": {"text": "usb phone"}}
    return [
        nd(line, *items, applied=True, note="with a sort and an error"),
        nd("POST /_msearch", *two[:2], applied=True),
        nd("GET /_msearch?pretty", *two[:2], applied=True),
        nd(f"{line}?typed_keys&rest_total_hits_as_int=true", *two, applied=True),
        nd(f"{line}?filter_path=responses.hits.hits._id", *two, applied=True),
        nd(line, *two, headers=("Content-Type: application/json",), applied=True, note="as json"),
        nd(line, *two, chunks=11, applied=True, note="chunked"),
        nd(line, *two, headers=("Accept-Encoding: gzip",), applied=True, note="gzip answer"),
        ask(line, "Content-Type: application/x-ndjson", "Content-Encoding: gzip", body=squeeze(body), applied=True, note="gzip"),
        nd(line, {}, {"query": {"nope": {}}}, {}, Q, applied=True, note="one query unknown"),
        nd(line, {"bogus": 1}, Q, note="header unknown"),
        nd(line, {}, note="a line missing"),
        nd(line, *two, headers=_vendor("x-ndjson", 7), applied=True, note="vendor"),
        ask(line, "Content-Type: application/x-ndjson", body=body[:-1], note="no newline at the end"),
        ask(line, "Content-Type: application/x-ndjson", body=b"", note="empty"),
        js(template, _T, applied=True, note="object"),
        js(template, rendered, applied=True, note="text"),
        js(f"GET /{MAIN}/_search/template?pretty", rendered, applied=True),
        js(template, {"id": "dif-template", "params": {"text": "phone"}}, applied=True, note="stored"),
        js(template, {"id": "dif-missing", "params": {}}, note="missing"),
        js(template, {**rendered, "explain": True, "profile": True}, applied=True, note="explained"),
        js(template, {"source": '{"query":', "params": {}}, note="broken"),
        nd("POST /_msearch/template", {"index": MAIN}, rendered, {"index": MAIN}, _T, applied=True),
        nd(f"POST /{MAIN}/_msearch/template", {}, {"id": "dif-template", "params": {"text": "usb"}}, applied=True),
        nd(f"POST /{MAIN}/_msearch/template", {}, {"id": "dif-missing"}, {}, rendered, applied=True, note="missing"),
        js("POST /_render/template", rendered),
        js("GET /_render/template/dif-template", {"params": {"text": "a"}}),
    ]  # fmt: skip


def _left_alone() -> list[Case]:
    """Searches that are passed through whatever their header says, and refused ones."""
    scroll = (("scroll", r'"_scroll_id"\s*:\s*"([^"]+)"'),)
    pit = (("pit", r'"pit_id"\s*:\s*"([^"]+)"'),)
    refused: dict[str, Any] = {
        "not json": '{"query":', "an array": "[]", "unknown query": {"query": {"nope": {}}}, "knn": {"knn": {"field": "x"}},
        "unknown key": {"bogus": 1}, "negative size": {**Q, "size": -1}, "far page": {**Q, "from": 20000}, "NaN": '{"size":NaN}',
        "two names": '{"size":1,"size":2}', "not UTF-8": b'{"query":{"match":{"title":"\xff\xfe"}}}', "a word": "hello",
        "deep": b'{"a":' * 300, "bad sort": {**Q, "sort": ["nope"]}, "bad aggregation": {**Q, "aggs": {"a": {"b": {}}}},
        "retriever": {"retriever": {"standard": Q}}, "big number": '{"size":99999999999999999999}',
    }  # fmt: skip
    passed: dict[str, Any] = {
        "sort": {**Q, "sort": [{"price": "desc"}, "_score"]}, "search_after": {**Q, "sort": ["price"], "search_after": [3]},
        "slice": {"slice": {"id": 0, "max": 2}}, "match_all": {"query": {"match_all": {}}}, "size 0": {**Q, "size": 0},
        "none stored": {**Q, "stored_fields": "_none_"}, "no hits": {"query": {"match": {"title": "absent"}}},
        "empty": {}, "script": {**Q, "script_fields": {"a": {"script": "1"}}}, "term": {"query": {"term": {"brand": "Acme"}}},
    }  # fmt: skip
    return [
        *(js(S, body, note=note) for note, body in (*refused.items(), *passed.items())),
        js(f"{S}?scroll=1m", {**Q, "size": 2}, remembers=scroll),
        js("POST /_search/scroll", {"scroll": "1m", "scroll_id": "${scroll}"}),
        ask("GET /_search/scroll?scroll=1m&scroll_id=${scroll}"),
        js("DELETE /_search/scroll", {"scroll_id": "${scroll}"}),
        ask("GET /_search/scroll?scroll_id=bogus"),
        js(f"{S}?scroll=1m", {"slice": {"id": 0, "max": 2}, "query": {"match": {"title": "phone"}}}, note="sliced"),
        ask(f"POST /{MAIN}/_search/point_in_time?keep_alive=1m", remembers=pit),
        js("POST /_search", {**Q, "pit": {"id": "${pit}", "keep_alive": "1m"}}, note="pit"),
        js("POST /_search", {"pit": {"id": "${pit}"}, "sort": ["price"], "search_after": [2.5]}, note="pit, search_after"),
        js("DELETE /_search/point_in_time", {"pit_id": ["${pit}"]}),
        ask(f"POST /{MAIN}/_pit?keep_alive=1m"),
        js(f"POST /{MAIN}/_async_search", Q),
        js("POST /_sql?format=txt", {"query": f'SELECT title FROM "{MAIN}"'}),
        js(f"POST /{MAIN}/_eql/search", {"query": "any where true"}),
        js("POST /missing/_search", Q),
        js("POST /missing/_search?ignore_unavailable=true", Q),
        js("PUT /dif-main/_search", Q),
        js("DELETE /dif-main/_search", Q),
        ask("HEAD /dif-main/_search"),
        ask("OPTIONS /dif-main/_search"),
        js(f"POST /{MAIN}/_count", Q),
        ask(f"GET /{MAIN}/_count?q=phone&pretty"),
        js(f"POST /{MAIN}/_explain/1", Q),
        js(f"GET /{MAIN}/_validate/query?explain&rewrite=true", Q),
        js(f"GET /{MAIN}/_validate/query", {"query": {"nope": {}}}),
        ask(f"GET /{MAIN}/_field_caps?fields=*&pretty"),
        js(f"POST /{MAIN}/_rank_eval", {"requests": [{"id": "a", "request": Q, "ratings": [{"_index": MAIN, "_id": "3", "rating": 1}]}],
                                        "metric": {"precision": {"k": 3}}}),
        ask(f"GET /{MAIN}/_search_shards?preference=_local&filter_path=shards.index"),
        js(f"POST /{MAIN}/_knn_search", {"knn": {"field": "x"}}),
        js(f"POST /{MAIN}/_terms_enum", {"field": "brand", "string": "a"}),
        js("POST /<dif-main-{now%2Fd}>/_search", Q, note="date math"),
        js("POST /_all/_search?size=0", {"aggs": {"a": {"terms": {"field": "_index"}}}}),
    ]  # fmt: skip


def _on_one_connection() -> list[Case]:
    """Several requests on one connection, and what only bytes can say."""
    head = f"POST /{MAIN}/_search HTTP/1.1\r\nHost: a\r\n@extra@Content-Type: application/json\r\nContent-Length: {len(QS)}\r\n"
    kept, last = f"{head}\r\n{QS}".encode(), f"{head}Connection: close\r\n\r\n{QS}".encode()
    get = f"GET /{MAIN}/_count?q=usb HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    expect = f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n{QS}".encode()
    old = f"GET /{MAIN}/_search?q=phone HTTP/1.0\r\n@extra@\r\n".encode()
    return [
        raw("two searches", kept, last, form="search"),
        raw("a count and a search", get, last, form="search"),
        raw("three, with an error between", kept, b"GET /missing/_doc/1 HTTP/1.1\r\nHost: a\r\n\r\n", last, form="search"),
        raw("expecting to continue", expect, form="search", applied=True),
        raw("HTTP/1.0 without a host", old, form="search", applied=True),
        raw("HTTP/1.0 kept alive", old.replace(b"@extra@", b"@extra@Connection: keep-alive\r\n"),
            old, form="search"),
        raw("raw bytes in the line", f"GET /{MAIN}/_search?q=手机 HTTP/1.1\r\nHost: a\r\n@extra@Connection: close\r\n\r\n".encode(),
            form="search"),
    ]  # fmt: skip


SEARCHES = (
    *_plain_searches(), *_uri_searches(), *_formats(), *_multi_searches(), *_left_alone(), *_on_one_connection(),
)  # fmt: skip
