"""Over 400 raw requests, to the node and through the proxy: off, all is equal; on, only the hits' order and scores."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from binary_json import from_cbor
from differential_case import Case
from differential_operations import OPERATIONS
from differential_requests import DOCUMENTS, MAIN, MAPPING, PLAIN, SEARCHES
from http_call import call
from recorder import exchange
from wire_answer import Answer, mask, read_answers

from middleware.search.formats import Format, read_text

pytestmark = pytest.mark.integration
ENGINES = {"elasticsearch": "upstream_url", "opensearch": "opensearch_url"}
OURS = (
    *tuple(f"X-Rerank{part}" for part in ("", "-Reason", "-Variant", "-Model", "-Window", "-Depth", "-Candidates")),
    "Server-Timing",
)
OFF = "X-Rerank: off\r\n"
# Where the node (the second: only OpenSearch) closes the connection without an answer, a proxy has to say 502.
NO_ANSWER = ("POST /dif-main/_search not gzip", "BOGUS /")
# Only the status is compared: an expectation is for the next hop, which is us, to meet or refuse.
OUR_OWN_WORDS = ("POST /dif-main/_count expecting nonsense",)
# What must be reranked and is not yet: strict, so that each line goes when it is.
# Searches whose pages are not ranked either, and say so.
TOLD_ALL_THE_SAME = re.compile(r"_search/scroll|_async_search|_asynchronous_search")
# The cluster does not know it, and we execute it.
EXECUTED_BY_US = "POST /dif-main/_search retriever"


@dataclass
class Side:
    """One way to the node, with what its answers have told."""

    port: int
    extra: str = ""
    index: str = MAIN
    twin: str = "twn-a-"
    known: dict[str, str] = field(default_factory=dict)

    def ask(self, case: Case) -> list[Answer]:
        sent = case.render(self.known, self.extra if case.form else "").replace(b"twn-a-", self.twin.encode())
        sent = sent.replace(b"dif-m", self.index[:5].encode()).replace(
            b"%64if-m", b"%%%x" % ord(self.index[0]) + self.index[1:5].encode()
        )
        answers = read_answers(exchange(self.port, sent, 5), case.methods)
        for name, pattern in case.remembers:
            found = re.search(pattern, answers[-1].body.decode("utf-8", "replace"))
            self.known[name] = found[1] if found else "none"
        return answers


@dataclass
class Outcome:
    """The answers to one case, by side."""

    direct: list[Answer]
    off: list[Answer]
    on: list[Answer]
    plain: list[Answer]
    unconfigured: list[Answer]
    whole: list[Answer]


def prepare(url: str) -> None:
    for pattern in ("dif-*", "raw-*", "twn-*"):
        call(f"{url}/{pattern}", method="DELETE")
    for name in (MAIN, PLAIN):
        assert call(f"{url}/{name}", MAPPING, method="PUT").status == 200
        lines = "".join(f'{{"index":{{"_id":"{number}"}}}}\n{source}\n' for number, source in enumerate(DOCUMENTS))
        assert call(f"{url}/{name}/_bulk?refresh=true", lines.encode()).json["errors"] is False
    template = {"script": {"lang": "mustache", "source": '{"query":{"match":{"title":"{{text}}"}}}'}}
    assert call(f"{url}/_scripts/dif-template", template, method="PUT").status == 200


@pytest.fixture(scope="module", params=ENGINES)
def outcomes(request: Any, start_proxy_process: Any, tiny_model_folder: Any) -> Iterator[dict[str, Outcome]]:
    """The answers to every case, asked in the order of the lists, side by side."""
    url = request.getfixturevalue(ENGINES[request.param])
    prepare(url)
    configuration = {
        "upstream": {"urls": [url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"dif": {"patterns": ["dif-*"], "template": "{title}[ | {brand}]"}},
        "budget_ms": 60_000,
    }
    proxy = start_proxy_process(configuration, wait_for="ready").port
    node = int(url.rpartition(":")[2])
    direct, off, on = Side(node), Side(proxy, OFF, twin="twn-b-"), Side(proxy)
    plain, unconfigured = Side(node, index=PLAIN), Side(proxy, index=PLAIN)
    searches = {
        case.name: Outcome(
            *(side.ask(case) for side in (direct, off, on, plain, unconfigured)),
            whole=direct.ask(case.whole) if case.whole else [],
        )
        for case in SEARCHES
    }
    operations = {case.name: Outcome(direct.ask(case), off.ask(case), [], [], [], []) for case in OPERATIONS}
    yield searches | operations
    for pattern in ("dif-*", "raw-*", "twn-*"):
        call(f"{url}/{pattern}", method="DELETE")


def name_of(case: Case) -> str:
    return re.sub(r"[^ -~]", "?", case.name)


def check_equal(theirs: list[Answer], ours: list[Answer], case: Case) -> None:
    if not theirs:
        assert case.name in NO_ANSWER
        assert [answer.status for answer in ours] == [502]
        return
    assert len(ours) == len(theirs) == len(case.methods)
    for expected, given in zip(theirs, ours, strict=True):
        added = OURS if case.form or TOLD_ALL_THE_SAME.search(case.name) else ()
        assert given.status_line.partition(" ")[2] == expected.status_line.partition(" ")[2], given.body
        if case.name in OUR_OWN_WORDS:
            continue
        assert given.masked_headers(added) == expected.masked_headers()
        assert given.masked_body == expected.masked_body


@pytest.mark.parametrize("case", [*SEARCHES, *OPERATIONS], ids=name_of)
def test_the_answer_through_the_proxy_is_the_nodes(outcomes: dict[str, Outcome], case: Case) -> None:
    check_equal(outcomes[case.name].direct, outcomes[case.name].off, case)


@pytest.mark.parametrize("case", SEARCHES, ids=name_of)
def test_a_search_of_an_index_that_is_not_configured_is_the_nodes(outcomes: dict[str, Outcome], case: Case) -> None:
    check_equal(outcomes[case.name].plain, outcomes[case.name].unconfigured, case)


@pytest.mark.parametrize("case", SEARCHES, ids=name_of)
def test_with_reranking_only_order_and_scores_of_the_hits_differ(outcomes: dict[str, Outcome], case: Case) -> None:
    outcome = outcomes[case.name]
    if case.name == EXECUTED_BY_US:
        assert [answer.status for answer in (*outcome.direct, *outcome.on)] == [400, 200]
        assert outcome.on[0].header("X-Rerank") == "applied"
        return
    for number, (expected, given) in enumerate(zip(outcome.direct, outcome.on, strict=case.name not in NO_ANSWER)):
        if given.header("X-Rerank") != "applied":
            check_equal([expected], [given], case if len(case.methods) == 1 else replace_methods(case))
            continue
        assert given.status_line.partition(" ")[2] == expected.status_line.partition(" ")[2]
        assert given.masked_headers(OURS) == expected.masked_headers()
        whole = outcome.whole[number] if outcome.whole else expected
        check_reranked(read_answer(expected), read_answer(given), read_answer(whole))


@pytest.mark.parametrize("case", [case for case in SEARCHES if case.applied], ids=name_of)
def test_what_can_be_reranked_is(outcomes: dict[str, Outcome], case: Case) -> None:
    outcome = outcomes[case.name]
    if outcome.direct[-1].status != 200:
        pytest.skip(f"this engine answers with status {outcome.direct[-1].status}")
    given = outcome.on[-1]
    assert given.header("X-Rerank") == "applied"
    if "msearch" not in case.name:  # which may hold searches that are not
        assert given.header("X-Rerank-Reason") is None


def replace_methods(case: Case) -> Case:
    return Case(case.name, case.head, methods=case.methods[:1], form=case.form)


@dataclass
class Read:
    """An answer in parts: everything but the hits, and for each search in it its hits, without scores."""

    rest: Any
    hits: list[list[Any]]
    scores: list[list[float | None]]
    max_scores: list[float | None]


def read_answer(answer: Answer) -> Read:
    """JSON as text with every byte kept; other formats decoded."""
    media_type = (answer.header("content-type") or "").partition(";")[0]
    if media_type.endswith("json"):
        return read_json(answer.plain.decode())
    if media_type.endswith("yaml"):
        return read_value(yaml.safe_load(answer.plain.decode()))
    if media_type.endswith("cbor"):
        return read_value(from_cbor(answer.plain))
    assert media_type.endswith("smile"), media_type
    return read_value(json.loads(read_text(answer.plain, Format.SMILE)))


def read_value(value: Any) -> Read:
    read = Read(value, [], [], [])
    value.pop("took", None)
    for response in value.get("responses", [value]):
        response.pop("took", None)
        outer = response.get("hits", {})
        hits = outer.get("hits", [])
        read.scores.append([hit.pop("_score", None) for hit in hits])
        read.max_scores.append(outer.pop("max_score", None))
        read.hits.append([json.dumps(hit, default=repr) for hit in hits])
        outer["hits"] = len(hits)
    return read


_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[\s,:]*")


def skip(text: str, at: int) -> int:
    found = _space.match(text, at)
    return found.end() if found else at


def members(text: str, at: int) -> dict[str, tuple[int, int]]:
    """Where the values of the object at `at` lie."""
    found = {}
    at = skip(text, at + 1)
    while text[at] != "}":
        name, at = _decode(text, at)
        start = skip(text, at)
        _, at = _decode(text, start)
        found[name] = (start, at)
        at = skip(text, at)
    return found


def elements(text: str, at: int) -> list[tuple[int, int]]:
    """Where the elements of the array at `at` lie."""
    found = []
    at = skip(text, at + 1)
    while text[at] != "]":
        _, end = _decode(text, at)
        found.append((at, end))
        at = skip(text, end)
    return found


def read_json(text: str) -> Read:
    read = Read("", [], [], [])
    start = skip(text, 0)
    top = members(text, start)
    cut = [top["took"]] if "took" in top else []
    for at in [span[0] for span in elements(text, top["responses"][0])] if "responses" in top else [start]:
        cut += read_search(text, at, read)
    read.rest = mask(blank(text, 0, len(text), cut).encode())
    return read


def read_search(text: str, at: int, read: Read) -> list[tuple[int, int]]:
    """Take the hits of the search response at `at`; the places of what may differ in it."""
    response = members(text, at)
    outer = members(text, response["hits"][0]) if "hits" in response else {}
    hits = elements(text, outer["hits"][0]) if "hits" in outer else []
    score_spans = [members(text, start).get("_score") for start, _ in hits]
    read.scores.append([json.loads(text[slice(*span)]) if span else None for span in score_spans])
    read.hits.append([blank(text, *hit, [span] if span else []) for hit, span in zip(hits, score_spans, strict=True)])
    read.max_scores.append(json.loads(text[slice(*outer["max_score"])]) if "max_score" in outer else None)
    spans = [response.get("took"), outer.get("max_score"), *hits]
    return [span for span in spans if span]


def blank(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    pieces, at = [], start
    for span_start, span_end in sorted(set(spans)):
        pieces += [text[at:span_start], "#"]
        at = span_end
    return "".join((*pieces, text[at:end]))


def check_reranked(expected: Read, given: Read, whole: Read) -> None:
    assert given.rest == expected.rest
    for number, hits in enumerate(given.hits):
        assert len(hits) == len(expected.hits[number])
        allowed = list(whole.hits[number])
        for hit in hits:
            assert hit in allowed, f"no such hit, or twice: {hit}"
            allowed.remove(hit)
        scores = [score for score in given.scores[number] if score is not None]
        assert scores == sorted(scores, reverse=True)
        assert all(score >= 0 for score in scores)
