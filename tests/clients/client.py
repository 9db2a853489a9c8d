"""A Python client of any version, used as anybody would: what it saw is printed as one JSON object.

python client.py LIBRARY URL INDEX, LIBRARY being elasticsearch (7, 8 or 9) or opensearchpy (2 or 3)
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

MATCH = {"match": {"title": "iphone case"}}


def make_documents() -> list[dict[str, Any]]:
    colours = ("red", "blue", "green")
    return [
        {
            "title": f"{colours[i % 3]} iphone {'case' if i % 2 else 'cable'} {'pro' if i % 5 else 'max usb'}",
            "number": i,
        }
        for i in range(40)
    ]


def ids(answer: Any) -> list[str]:
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def search(client: Any, index: str, switch: str | None) -> Any:
    """Headers are an option of Elasticsearch's client from version 8 on, an argument of each call elsewhere."""
    headers = {"x-rerank": switch} if switch else {}
    if hasattr(client, "options"):
        return client.options(headers=headers).search(index=index, query=MATCH, size=20)
    return client.search(index=index, body={"query": MATCH, "size": 20}, headers=headers)


def use(name: str, url: str, index: str) -> dict[str, Any]:
    library, helpers = importlib.import_module(name), importlib.import_module(f"{name}.helpers")
    is_opensearch = name == "opensearchpy"
    client = (library.OpenSearch if is_opensearch else library.Elasticsearch)(url, max_retries=0)
    seen: dict[str, Any] = {"version": library.__versionstr__}
    document = {"body" if is_opensearch else "document": {"title": "leather shoe"}}
    client.index(index=index, id="one", refresh=True, **document)
    seen["got"] = client.get(index=index, id="one")["_source"]
    actions = [{"_index": index, "_id": str(document["number"]), "_source": document} for document in make_documents()]
    seen["bulk"], _ = helpers.bulk(client, actions, refresh=True, chunk_size=15)
    on, off = search(client, index, None), search(client, index, "off")
    seen["on"], seen["off"] = ids(on), ids(off)
    if hasattr(on, "meta"):
        seen["words"] = [on.meta.headers["x-rerank"], off.meta.headers["x-rerank"]]
    query = {"query": {"match": {"title": "iphone"}}}
    seen["scanned"] = [hit["_id"] for hit in helpers.scan(client, index=index, query=query, size=7)]
    deletion = {"query": {"match": {"title": "cable"}}}
    seen["deleted"] = client.delete_by_query(index=index, body=deletion, refresh=True)["deleted"]
    seen["count"] = client.count(index=index)["count"]
    try:
        client.get(index=index, id="none")
    except library.NotFoundError as error:
        seen["error"] = [True, error.status_code]
    return seen


if __name__ == "__main__":
    print(json.dumps(use(*sys.argv[1:])))
