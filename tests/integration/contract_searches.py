"""Documents with everything odd in them, and searches of every kind that Elasticsearch accepts on them."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import strategies as st

from middleware.search.formats import Format, write_text

WORDS = ("quark", "gluon", "boson", "muon", "lepton", "hadron", "pion", "kaon")
FIRST, SECOND, ALIAS = "contract-a", "contract-b", "contract"
DOCUMENTS = 42
MAPPING = {
    "settings": {"number_of_shards": 2, "number_of_replicas": 0},
    "mappings": {
        "dynamic": False,
        "properties": {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "text": {"type": "text", "store": True},
            "brand": {"type": "keyword", "ignore_above": 8, "store": True},
            "group": {"type": "keyword"},
            "tags": {"type": "keyword"},
            "price": {"type": "double", "ignore_malformed": True},
            "stock": {"type": "long"},
            "day": {"type": "date"},
            "maker": {"properties": {"name": {"type": "keyword"}}},
            "variants": {
                "type": "nested",
                "properties": {"color": {"type": "text"}, "size": {"type": "keyword"}},
            },
        },
    },
}
# Written into the documents as they are: JSON that another writer would spell differently.
_ODD = (
    "1.10", "1e3", "-0.0", "9007199254740993", "123456789012345678901234567890", "1.0E-7", "null", "true", "[]", "{}",
    '"\\ud83d\\ude00"', '"\\ud800 alone"', '"\\u0000"', '"手机 é \\/"', '[[1.50, [2]], {"x": {"y": [ ]}}]',
    '{"a.b": 1, "a": {"c": 2.0}}', '"<b>\\u003c</b>"', '""',
)  # fmt: skip


def write_documents() -> list[tuple[str, str, str]]:
    """(index, id, source text) of every document; the same each time."""
    draw = random.Random(20)
    return [(draw.choice((FIRST, FIRST, SECOND)), f"{number} é/{number}", _write(draw)) for number in range(DOCUMENTS)]


def _write(draw: random.Random) -> str:
    title = " ".join(draw.choices(WORDS, k=draw.choice((1, 3, 6, 12))))
    members = {
        "title": json.dumps(title if draw.random() < 0.8 else [title, "muon"]),
        "group": json.dumps(draw.choice("ABCDEF")),
        "stock": draw.choice(("5", "9007199254740993", "-1", '"7"')),
        "day": json.dumps(draw.choice(("2024-02-29", "2023-12-31T23:59:59Z"))),
        "odd": draw.choice(_ODD),
    }
    optional = {
        "text": json.dumps(" ".join(draw.choices(WORDS, k=5)) + " 手机"),
        "brand": draw.choice(('"Acme"', '"far too long for us"', '["Acme", "Zeta"]', "null")),
        "tags": draw.choice(('["b", "a", "b"]', '"c"', "[]")),
        "price": draw.choice(("1.10", "1e3", '"12.50"', '"no price"', "0.1", "[3.0, 2]")),
        "maker": draw.choice(('{"name": "Maker"}', '{"name": null}', "{}")),
        "maker.name": '"dotted"',
        "variants": draw.choice(
            ('[{"color": "quark red", "size": "L"}, {"size": "M"}]', '{"color": "muon"}', '[{"size": ["S", "XS"]}]')
        ),
    }
    members |= {name: value for name, value in optional.items() if draw.random() < 0.6}
    if "maker" in members:
        members.pop("maker.name", None)
    space = draw.choice(("", " ", "  "))
    return "{" + f",{space}".join(f'"{name}":{space}{value}' for name, value in members.items()) + "}"


FORMS = ("search", "msearch", "template", "msearch_template")
# What an _msearch or a template search reads of its URL; the rest belongs into bodies.
_OUTER = ("typed_keys", "rest_total_hits_as_int", "pretty", "human", "unknown_parameter")
_OUTER_TEMPLATE = (*_OUTER, "preference", "search_type", "filter_path")
BESIDE = {"query": {"match_all": {}}, "size": 0}


@dataclass(frozen=True)
class Search:
    """One search without its page, in one of FORMS; `page_in_url` says where `from` and `size` go."""

    path: str
    parameters: tuple[tuple[str, str], ...]
    body: dict[str, Any] | None
    method: str = "POST"
    page_in_url: bool = False
    separator: str = "&"
    indent: int | None = None
    form: str = "search"
    body_format: Format = Format.JSON
    answer_format: Format | None = None
    format_in_url: bool = False
    compressed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What says how the body is written, and how the answer is to be."""
        sent = {}
        if self.body is not None:
            sent["Content-Type"] = f"application/{self.body_format}"
            sent |= {"Content-Encoding": "gzip"} if self.compressed else {}
        if self.answer_format and not self.format_in_url:
            sent["Accept"] = f"application/{self.answer_format}"
        return sent | ({"Accept-Encoding": "gzip"} if self.compressed else {})

    def target(self, start: int, size: int) -> str:
        page_in_url = self.form == "search" and (self.page_in_url or self.body is None)
        page = (("from", str(start)), ("size", str(size))) if page_in_url else ()
        if self.answer_format and self.format_in_url:
            page += (("format", self.answer_format),)
        query = self.separator.join(
            f"{name}={quote(value, safe='*')}" if value else name for name, value in (*self.parameters, *page)
        )
        path = "/_msearch" if "msearch" in self.form else self.path
        path += "/template" if "template" in self.form else ""
        return f"{path}?{query}" if query else path

    def payload(self, start: int, size: int) -> bytes | None:
        data = self._written(start, size)
        return gzip.compress(data) if data and self.compressed else data

    def _written(self, start: int, size: int) -> bytes | None:
        if self.body is None:
            return None
        page = {} if self.page_in_url and self.form == "search" else {"from": start, "size": size}
        body = {**self.body, **page}
        if "template" in self.form:
            source = {**self.body, "from": "{{from}}", "size": "{{size}}{{^size}}10{{/size}}"}
            body = {"source": source if self.page_in_url else json.dumps(source), "params": page}
        if "msearch" not in self.form:
            return write_text(json.dumps(body, indent=self.indent), self.body_format)
        header = {"index": unquote(self.path.split("/")[1])}
        beside = {"source": BESIDE} if "template" in self.form else BESIDE
        lines = [header, beside, header, body, {"index": "no-such-index"}, beside]
        end = b"\xff" if self.body_format is Format.SMILE else b"\n"
        return b"".join(write_text(json.dumps(line), self.body_format) + end for line in lines)

    @property
    def filtered(self) -> bool:
        return any(name == "filter_path" for name, _ in self.parameters)


words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
paths = st.sampled_from(
    (
        f"/{ALIAS}",
        f"/{ALIAS}",
        f"/{FIRST}",
        "/contract-*",
        f"/{FIRST},{SECOND}",
        f"/{FIRST}%2C{SECOND}",
        f"/contract*,-{SECOND}",
    )
).map(lambda index: f"{index}/_search")


def _leaf(text: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        (
            {"match": {"title": text}},
            {"match": {"title": {"query": text, "operator": "or"}}},
            {"match": {"text": text}},
            {"match_phrase": {"title": text.split()[0]}},
            {"match_bool_prefix": {"title": text[:-1]}},
            {"multi_match": {"query": text, "fields": ["title^2", "text"]}},
            {"query_string": {"query": f"title:({text}) OR price:[1 TO 5] -hadron", "default_field": "title"}},
            {"simple_query_string": {"query": f"{text} | pion", "fields": ["title", "text"]}},
            {"nested": {"path": "variants", "query": {"match": {"variants.color": text}}, "ignore_unmapped": True}},
            {
                "nested": {
                    "path": "variants",
                    "query": {"match": {"variants.color": text}},
                    "ignore_unmapped": True,
                    "inner_hits": {"docvalue_fields": ["variants.size"], "ignore_unmapped": True},
                }
            },
            {"term": {"group": {"value": "A", "_name": "named"}}},
            {"match_all": {}},
        )
    )


def _compound(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.tuples(children, children).map(lambda pair: {"bool": {"must": pair[0], "should": [pair[1]]}}),
        st.tuples(children, children).map(lambda pair: {"bool": {"should": list(pair), "minimum_should_match": 1}}),
        children.map(lambda query: {"bool": {"must": [query], "filter": {"range": {"stock": {"gt": 0}}}}}),
        children.map(lambda query: {"bool": {"must": query, "must_not": {"match": {"title": "kaon"}}}}),
        st.tuples(children, children).map(lambda pair: {"dis_max": {"queries": list(pair), "tie_breaker": 0.3}}),
        children.map(lambda query: {"constant_score": {"filter": query, "boost": 1.2}}),
        children.map(
            lambda query: {"boosting": {"positive": query, "negative": {"term": {"group": "B"}}, "negative_boost": 0.2}}
        ),
        st.tuples(children, st.sampled_from((0, 0.001, 3, 1e12))).map(
            lambda pair: {
                "function_score": {"query": pair[0], "weight": pair[1], "boost_mode": "multiply"},
            }
        ),
    )


queries = words.flatmap(lambda text: st.recursive(_leaf(text), _compound, max_leaves=3))

_sources = st.sampled_from(
    (True, False, [], "title", ["title", "variants.*"], ["*.name", "odd"], {}, {"excludes": ["odd", "variants.size"]},
     {"includes": ["t*", "maker"], "excludes": "tags"}, {"includes": ["none"]}, ["*"])
)  # fmt: skip
_fields = st.lists(
    st.sampled_from(
        ("title", "brand", "*", "va*", "variants.color", "maker.*", {"field": "day", "format": "yyyy"}, "price", "none")
    ),
    min_size=1,
    max_size=3,
)
_docvalues = st.lists(
    st.sampled_from(("brand", "tags", {"field": "day", "format": "epoch_millis"}, "price", "group", "ta*")),
    min_size=1,
    max_size=2,
)
_optional_members: dict[str, st.SearchStrategy[Any]] = {
    "_source": _sources,
    "fields": _fields,
    "docvalue_fields": _docvalues,
    "stored_fields": st.sampled_from((["brand"], "text", ["_source"], ["brand", "_source"], [], ["*"], "_none_")),
    "highlight": st.just({"fields": {"title": {}, "text": {"number_of_fragments": 0}}}),
    "explain": st.booleans(),
    "version": st.booleans(),
    "seq_no_primary_term": st.booleans(),
    "min_score": st.sampled_from((0, 0.3, 1)),
    "post_filter": st.just({"terms": {"group": ["A", "B", "C", "D"]}}),
    "aggs": st.sampled_from(({}, {"_source": False}, {"fields": ["group"], "_source": "title"})).map(
        lambda options: {
            "top": {"top_hits": {"size": 2, **options}},
            "groups": {"terms": {"field": "group"}, "aggs": {"top": {"top_hits": {"size": 1, **options}}}},
        }
    ),
    "suggest": st.just({"spelt": {"text": "quork", "term": {"field": "title"}}}),
    "collapse": st.sampled_from(
        ({"field": "group"}, {"field": "group", "inner_hits": {"name": "more", "size": 2, "_source": False}})
    ),
    "track_total_hits": st.sampled_from((True, False, 1, 7, 10_000)),
    "track_scores": st.booleans(),
    "rescore": st.just(
        {"window_size": 10, "query": {"rescore_query": {"match": {"title": "gluon"}}, "rescore_query_weight": 2}}
    ),
    "sort": st.sampled_from(
        ("_score", ["_score"], [{"_score": "desc"}], {"_score": {"order": "desc"}}, [], "stock", [{"_score": "asc"}])
    ),
    "indices_boost": st.just([{FIRST: 1.4}]),
    "timeout": st.just("20s"),
    "terminate_after": st.just(1000),
}
_optional_parameters: dict[str, st.SearchStrategy[str]] = {
    "typed_keys": st.just(""),
    "rest_total_hits_as_int": st.just("true"),
    "pretty": st.sampled_from(("", "true")),
    "human": st.just(""),
    "_source": st.sampled_from(("true", "false", "title,odd", "variants.*")),
    "_source_includes": st.sampled_from(("title", "*.name,odd")),
    "_source_excludes": st.sampled_from(("odd", "variants")),
    "docvalue_fields": st.sampled_from(("brand", "tags,price")),
    "stored_fields": st.sampled_from(("brand", "_source,text")),
    "track_total_hits": st.sampled_from(("true", "false", "3")),
    "preference": st.just("_local"),
    "routing": st.sampled_from(("a", "7 é/7")),
    "terminate_after": st.just("500"),
    "search_type": st.just("dfs_query_then_fetch"),
    "sort": st.sampled_from(("_score", "_score:desc", "stock:asc")),
    "filter_path": st.sampled_from(
        ("hits.hits._id,hits.hits._score", "**._source", "hits.hits._source.t*,took", "-hits.hits._source", "-_shards",
         "hits.total,hits.max_score", "hits.*", "hits.hits,-**.variants.size", "none", "**.*co*")
    ),
    "unknown_parameter": st.just("1"),
}  # fmt: skip


def _some(options: dict[str, st.SearchStrategy[Any]], most: int) -> st.SearchStrategy[dict[str, Any]]:
    names = st.lists(st.sampled_from(sorted(options)), max_size=most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: options[name] for name in chosen}))


_BODIES = (*[Format.JSON] * 4, Format.YAML, Format.CBOR, Format.SMILE)
_STREAMS = (*[Format.JSON] * 4, Format.SMILE)


@st.composite
def searches(draw: st.DrawFn) -> Search:
    """A search of some kind with up to five options in the body and two in the URL."""
    parameters = draw(_some(_optional_parameters, 2))
    body = {"query": draw(queries), **draw(_some(_optional_members, 5))}
    form = draw(st.sampled_from(("search", "search", *FORMS)))
    if form == "search" and draw(st.integers(0, 9)) == 0:
        parameters["q"] = draw(words)
        body = None if draw(st.booleans()) else body
    if form != "search":
        known = _OUTER if "msearch" in form else _OUTER_TEMPLATE
        parameters = {name: value for name, value in parameters.items() if name in known}
    return Search(
        path=draw(paths),
        parameters=tuple(parameters.items()),
        body=body,
        method=draw(st.sampled_from(("POST", "POST", "GET"))),
        page_in_url=draw(st.booleans()),
        separator=draw(st.sampled_from(("&", "&", ";"))),
        indent=draw(st.sampled_from((None, 2))),
        form=form,
        body_format=draw(st.sampled_from(_STREAMS if "msearch" in form else _BODIES)),
        answer_format=draw(st.sampled_from((None, None, *Format))),
        format_in_url=draw(st.booleans()),
        compressed=draw(st.integers(0, 4)) == 0,
    )
