"""Every form of request that a Python client can make: what each saw is printed as one JSON object.

python forms.py LIBRARY URL INDEX, LIBRARY being elasticsearch (7, 8 or 9) or opensearchpy; INDEX is there and empty.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

MATCH = {"match": {"title": "iphone case"}}
TEMPLATE = {"query": {"match": {"title": "{{words}}"}}, "size": 50}
PARAMETERS = {"words": "iphone case"}
COLOURS = ("red", "blue", "green")

words: list[str | None] = []
"""What the proxy said of each answer."""


def make_documents() -> list[dict[str, Any]]:
    return [
        {
            "title": f"{COLOURS[i % 3]} iphone {'case' if i % 2 else 'cable'} {'pro' if i % 5 else 'max usb'}",
            "group": COLOURS[i % 3],
            "number": i,
        }
        for i in range(40)
    ]


class Recorded:
    """A connection that notes what the proxy said; from version 8 on, Elasticsearch's client answers with an object."""

    def perform_request(self, *arguments: Any, **options: Any) -> Any:
        answer = super().perform_request(*arguments, **options)  # type: ignore[misc]
        headers = answer.meta.headers if hasattr(answer, "meta") else answer[1]
        words.append({name.lower(): value for name, value in headers.items()}.get("x-rerank"))
        return answer


def connect(name: str, url: str, **options: Any) -> Any:
    library = importlib.import_module(name)
    if name == "opensearchpy":
        recorded = type("Recorded", (Recorded, library.Urllib3HttpConnection), {})
        return library.OpenSearch(url, max_retries=0, connection_class=recorded, **options)
    if library.VERSION[0] < 8:
        recorded = type("Recorded", (Recorded, library.Urllib3HttpConnection), {})
        return library.Elasticsearch(url, max_retries=0, connection_class=recorded, **options)
    from elastic_transport import Urllib3HttpNode

    recorded = type("Recorded", (Recorded, Urllib3HttpNode), {})
    return library.Elasticsearch(url, max_retries=0, node_class=recorded, **options)


class Forms:
    """One method a form; each returns what the client saw."""

    def __init__(self, name: str, url: str, index: str) -> None:
        self.name, self.url, self.index = name, url, index
        self.client = connect(name, url)
        self.helpers = importlib.import_module(f"{name}.helpers")

    def find(self, body: dict[str, Any], **parameters: Any) -> Any:
        return self.client.search(index=self.index, body=body, **parameters)

    def bulk(self) -> Any:
        documents = make_documents()
        actions = [{"_index": self.index, "_id": str(source["number"]), "_source": source} for source in documents]
        return self.helpers.bulk(self.client, actions, refresh=True, chunk_size=15)[0]

    def search(self) -> Any:
        return self.find({"query": MATCH, "size": 50})

    def uri(self) -> Any:
        return self.client.search(index=self.index, q="title:iphone title:case", size=50)

    def msearch(self) -> Any:
        first, second = {"query": MATCH, "size": 50}, {"query": {"match": {"title": "red cable"}}, "size": 50}
        return self.client.msearch(body=[{"index": self.index}, first, {"index": self.index}, second])

    def template(self) -> Any:
        return self.client.search_template(index=self.index, body={"source": TEMPLATE, "params": PARAMETERS})

    def stored_template(self) -> Any:
        script = {"script": {"lang": "mustache", "source": json.dumps(TEMPLATE)}}
        self.client.put_script(id=self.index, body=script)
        try:
            return self.client.search_template(index=self.index, body={"id": self.index, "params": PARAMETERS})
        finally:
            self.client.delete_script(id=self.index)

    def msearch_template(self) -> Any:
        body = [{"index": self.index}, {"source": TEMPLATE, "params": PARAMETERS}]
        return self.client.msearch_template(body=body)

    def gzip(self) -> Any:
        client = connect(self.name, self.url, http_compress=True)
        return client.search(index=self.index, body={"query": MATCH, "size": 50})

    def highlight(self) -> Any:
        return self.find({"query": MATCH, "size": 50, "highlight": {"fields": {"title": {}}}})

    def collapse(self) -> Any:
        inner = {"name": "others", "size": 2, "sort": [{"number": "asc"}]}
        return self.find({"query": MATCH, "size": 50, "collapse": {"field": "group", "inner_hits": inner}})

    def source(self) -> Any:
        return self.find({"query": MATCH, "size": 50, "_source": ["group"]})

    def scroll(self) -> Any:
        answers = [self.find({"query": MATCH, "size": 15}, scroll="1m")]
        while answers[-1]["hits"]["hits"]:
            answers.append(self.client.scroll(body={"scroll_id": answers[-1]["_scroll_id"], "scroll": "1m"}))
        self.client.clear_scroll(body={"scroll_id": answers[-1]["_scroll_id"]})
        return answers

    def pit(self) -> Any:
        body: dict[str, Any] = {"query": MATCH, "size": 15, "sort": ["_score", {"number": "asc"}]}
        if self.name == "opensearchpy":
            opened = self.client.create_pit(index=self.index, keep_alive="1m")["pit_id"]
        else:
            opened = self.client.open_point_in_time(index=self.index, keep_alive="1m")["id"]
        answers: list[Any] = []
        while not answers or answers[-1]["hits"]["hits"]:
            after = {"search_after": answers[-1]["hits"]["hits"][-1]["sort"]} if answers else {}
            answers.append(self.client.search(body={**body, **after, "pit": {"id": opened, "keep_alive": "1m"}}))
        if self.name == "opensearchpy":
            self.client.delete_pit(body={"pit_id": [opened]})
        else:
            self.client.close_point_in_time(body={"id": opened})
        return answers

    def pages(self) -> Any:
        return [self.find({"query": MATCH, "from": start, "size": 7}) for start in range(0, 42, 7)]

    def retriever(self) -> Any:
        inner = {"standard": {"query": MATCH}}
        ours = {"retriever": inner, "field": "title", "inference_text": "iphone case", "rank_window_size": 50}
        return self.find({"retriever": {"text_similarity_reranker": ours}, "size": 50})

    def query_context(self) -> Any:
        ours = {"rerank": {"query_context": {"query_text": "iphone case"}}}
        return self.find({"query": MATCH, "size": 50, "ext": ours})

    def scan(self) -> Any:
        query = {"query": MATCH}
        return [hit["_id"] for hit in self.helpers.scan(self.client, index=self.index, query=query, size=7)]

    def by_query(self) -> Any:
        reds, blues = {"query": {"term": {"group": "red"}}}, {"query": {"term": {"group": "blue"}}}
        updated = self.client.update_by_query(index=self.index, body=reds, refresh=True)["updated"]
        deleted = self.client.delete_by_query(index=self.index, body=blues, refresh=True)["deleted"]
        return [updated, deleted, self.client.count(index=self.index)["count"]]

    def errors(self) -> Any:
        seen = []
        for body in ({"query": {"nope": {}}}, {"query": MATCH, "from": 20_000}):
            try:
                self.find(body)
            except Exception as error:
                if getattr(error, "status_code", None) != 400:  # the client refuses everything
                    raise
                seen.append(describe(error))
        return seen


def describe(error: Exception) -> list[Any]:
    """The client's exception, and of one that brings an answer its status and Elasticsearch's own word."""
    status = getattr(error, "status_code", None)
    body = getattr(error, "body", None) or getattr(error, "info", None)
    cause = body.get("error") if isinstance(body, dict) else None
    return [type(error).__name__, status, cause.get("type") if isinstance(cause, dict) else cause]


# "bulk" brings the documents, "by_query" changes them
ORDER = (
    *("bulk", "search", "uri", "msearch", "template", "stored_template", "msearch_template", "gzip", "highlight"),
    *("collapse", "source", "scroll", "pit", "pages", "retriever", "query_context", "scan", "errors", "by_query"),
)


def perform(form: Callable[[], Any]) -> dict[str, Any]:
    words.clear()
    try:
        answer = form()
    except Exception as error:  # noqa: BLE001 - whatever the client makes of it is what we want to see
        return {"error": describe(error)}
    return {"words": list(words), "answer": answer}


def main(name: str, url: str, index: str) -> None:
    forms = Forms(name, url, index)
    seen = {form: perform(getattr(forms, form)) for form in ORDER}
    print(json.dumps(seen, default=lambda answer: answer.body))


if __name__ == "__main__":
    main(*sys.argv[1:])
