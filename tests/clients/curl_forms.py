"""Every form of request that curl can make: what each saw is printed as one JSON object.

python curl_forms.py URL INDEX NODE_URL; INDEX is there and empty. YAML, CBOR and SMILE are written and read by the node
at NODE_URL itself, which keeps documents in whatever format they come and gives them in whatever one is asked for.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import Any

import forms
from forms import MATCH, PARAMETERS, TEMPLATE, make_documents


class Failed(Exception):
    """An answer of another status than 2xx."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status_code = status
        try:
            self.body = json.loads(body)
        except ValueError:
            self.body = None


def curl(
    url: str, data: bytes | None = None, method: str | None = None, headers: tuple[str, ...] = (), *options: str
) -> tuple[dict[str, str], bytes]:
    """Headers, by lower-case name, and body of the answer; Failed where its status is no success."""
    command = ["curl", "-sS", "--globoff", "-D", "/dev/stderr", *options, *(f"-H{header}" for header in headers), url]
    if data is not None:
        command += ["--data-binary", "@-"]
    if method is not None:
        command += ["-X", method]
    done = subprocess.run(command, input=data or b"", capture_output=True, timeout=60, check=True)
    first, *lines = done.stderr.decode("latin-1").replace("\r", "").strip().split("\n")
    answered = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    forms.words.append(answered.get("x-rerank"))
    if not 200 <= int(first.split()[1]) < 300:
        raise Failed(int(first.split()[1]), done.stdout)
    return answered, done.stdout


class CurlForms(forms.Forms):
    """The forms of the Python clients as raw requests, and those that no client offers."""

    def __init__(self, url: str, index: str, node_url: str) -> None:
        self.url, self.index, self.node_url = url, index, node_url

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        if isinstance(body, list):
            data, media_type = "".join(json.dumps(line) + "\n" for line in body), "application/x-ndjson"
        else:
            data, media_type = json.dumps(body), "application/json"
        headers = (f"Content-Type: {media_type}",)
        return json.loads(curl(self.url + path, data.encode() if body is not None else None, method, headers)[1])

    def find(self, body: dict[str, Any], **parameters: Any) -> Any:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.call(f"/{self.index}/_search?{query}", body)

    def bulk(self) -> Any:
        lines: list[Any] = []
        for source in make_documents():
            lines += [{"index": {"_id": str(source["number"])}}, source]
        return len(self.call(f"/{self.index}/_bulk?refresh=true", lines)["items"])

    def uri(self) -> Any:
        return self.call(f"/{self.index}/_search?q=title:iphone+title:case&size=50")

    def msearch(self) -> Any:
        first, second = {"query": MATCH, "size": 50}, {"query": {"match": {"title": "red cable"}}, "size": 50}
        return self.call("/_msearch", [{"index": self.index}, first, {"index": self.index}, second])

    def template(self) -> Any:
        return self.call(f"/{self.index}/_search/template", {"source": TEMPLATE, "params": PARAMETERS})

    def stored_template(self) -> Any:
        script = {"script": {"lang": "mustache", "source": json.dumps(TEMPLATE)}}
        self.call(f"/_scripts/{self.index}", script, "PUT")
        try:
            return self.call(f"/{self.index}/_search/template", {"id": self.index, "params": PARAMETERS})
        finally:
            self.call(f"/_scripts/{self.index}", method="DELETE")

    def msearch_template(self) -> Any:
        body = [{"index": self.index}, {"source": TEMPLATE, "params": PARAMETERS}]
        return self.call("/_msearch/template", body)

    def gzip(self) -> Any:
        data = gzip.compress(json.dumps({"query": MATCH, "size": 50}).encode())
        headers = ("Content-Type: application/json", "Content-Encoding: gzip")
        answered, body = curl(f"{self.url}/{self.index}/_search", data, "POST", headers, "--compressed")
        return [answered.get("content-encoding"), json.loads(body)]

    def yaml(self) -> Any:
        return self.find_in("yaml")

    def cbor(self) -> Any:
        return self.find_in("cbor")

    def smile(self) -> Any:
        return self.find_in("smile")

    def find_in(self, name: str) -> Any:
        """A search whose body and answer are in another format than JSON."""
        data = self.translate(json.dumps({"query": MATCH, "size": 50}).encode(), "json", name)
        headers = (f"Content-Type: application/{name}", f"Accept: application/{name}")
        answered, body = curl(f"{self.url}/{self.index}/_search", data, "POST", headers)
        word = forms.words.pop()
        read = json.loads(self.translate(body, name, "json"))
        forms.words[:] = [word]
        return [answered["content-type"], read]

    def translate(self, data: bytes, source: str, target: str) -> bytes:
        document = f"{self.node_url}/{self.index}-translated"
        curl(f"{document}/_doc/1", data, "PUT", (f"Content-Type: application/{source}",))
        return curl(f"{document}/_source/1?format={target}")[1]

    def scroll(self) -> Any:
        answers = [self.find({"query": MATCH, "size": 15}, scroll="1m")]
        while answers[-1]["hits"]["hits"]:
            answers.append(self.call("/_search/scroll", {"scroll_id": answers[-1]["_scroll_id"], "scroll": "1m"}))
        self.call("/_search/scroll", {"scroll_id": answers[-1]["_scroll_id"]}, "DELETE")
        return answers

    def pit(self) -> Any:
        is_opensearch = "distribution" in self.call("/")["version"]
        path = "_search/point_in_time" if is_opensearch else "_pit"
        opened = self.call(f"/{self.index}/{path}?keep_alive=1m", method="POST")
        name = opened["pit_id" if is_opensearch else "id"]
        body: dict[str, Any] = {"query": MATCH, "size": 15, "sort": ["_score", {"number": "asc"}]}
        answers: list[Any] = []
        while not answers or answers[-1]["hits"]["hits"]:
            after = {"search_after": answers[-1]["hits"]["hits"][-1]["sort"]} if answers else {}
            answers.append(self.call("/_search", {**body, **after, "pit": {"id": name, "keep_alive": "1m"}}))
        self.call(f"/{path}", {"pit_id": [name]} if is_opensearch else {"id": name}, "DELETE")
        return answers

    def by_query(self) -> Any:
        reds, blues = {"query": {"term": {"group": "red"}}}, {"query": {"term": {"group": "blue"}}}
        updated = self.call(f"/{self.index}/_update_by_query?refresh=true", reds)["updated"]
        deleted = self.call(f"/{self.index}/_delete_by_query?refresh=true", blues)["deleted"]
        return [updated, deleted, self.call(f"/{self.index}/_count")["count"]]


ORDER = ("bulk", "yaml", "cbor", "smile", *(form for form in forms.ORDER if form not in ("bulk", "scan")))


def main(url: str, index: str, node_url: str) -> None:
    requests = CurlForms(url, index, node_url)
    print(json.dumps({form: forms.perform(getattr(requests, form)) for form in ORDER}))


if __name__ == "__main__":
    main(*sys.argv[1:])
