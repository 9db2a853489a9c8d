"""Every form of request, by every client, on both engines: what becomes of it, really seen; and the README's table."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from compatibility import (
    DIFFERS,
    FORMS,
    REFUSED_BY_CLIENT,
    REFUSED_BY_ENGINE,
    RERANKED,
    between,
    outcome,
    put_between,
    render,
)
from http_call import call
from installed_clients import CLIENTS, SCRIPTS, has_javascript, run

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "README.md"
INDEX = "compatibility"
ENGINES = {"elasticsearch": "upstream_url", "opensearch": "opensearch_url"}
NAMES = [*(name for name in CLIENTS if name != "opensearch-py 2"), "curl"]
MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "properties": {"title": {"type": "text"}, "group": {"type": "keyword"}, "number": {"type": "integer"}}
    },
}


@dataclass
class Engine:
    """A node, the proxy before it, and what each client saw there, directly and through the proxy, form by form."""

    label: str
    node_url: str
    proxy_url: str
    seen: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)

    def use(self, client: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        if client not in self.seen:
            self.seen[client] = self._see(client, self.node_url), self._see(client, self.proxy_url)
        return self.seen[client]

    def column(self, client: str) -> dict[str, str]:
        """The table's cells for one client."""
        return {form: outcome(form, *self.use(client)) for form in FORMS}

    def _see(self, client: str, url: str) -> Mapping[str, Any]:
        indices = {INDEX: MAPPING, f"{INDEX}-translated": {"mappings": {"enabled": False}}}
        for index, body in indices.items():
            call(f"{self.node_url}/{index}", method="DELETE")
            assert call(f"{self.node_url}/{index}", body, method="PUT").status == 200
        try:
            if client == "curl":
                curl = [sys.executable, str(SCRIPTS / "curl_forms.py"), url, INDEX, self.node_url]
                return dict(run(curl, {}))
            return dict(CLIENTS[client].run("forms", url, INDEX))
        finally:
            for index in indices:
                call(f"{self.node_url}/{index}", method="DELETE")


@pytest.fixture(scope="module")
def engines(request, start_proxy_process, tiny_model_folder) -> Callable[[str], Engine]:
    """An engine by name, with a proxy before it; each is started when it is first asked for."""
    known: dict[str, Engine] = {}

    def find(name: str) -> Engine:
        if name not in known:
            node_url = request.getfixturevalue(ENGINES[name])
            version = call(node_url).json["version"]
            configuration = {
                "upstream": {"urls": [node_url]},
                "models": {"tiny": {"source": str(tiny_model_folder)}},
                "indices": {INDEX: {"template": "{title}"}},
                "budget_ms": 60_000,
            }
            proxy = start_proxy_process(configuration, wait_for="ready")
            title = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[name]
            number = ".".join(version["number"].split(".")[:2])
            known[name] = Engine(f"{title} {number}", node_url, proxy.url)
        return known[name]

    return find


@pytest.mark.parametrize("client", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_client_sees_with_us_what_it_sees_without(engines, engine, client):
    skip_where_missing(client)
    used = engines(engine)
    cells = used.column(client)
    direct, proxied = used.use(client)
    differing = {form: (direct.get(form), proxied.get(form)) for form, cell in cells.items() if cell == DIFFERS}
    assert not differing
    foreign = engine == "opensearch" and not client.startswith(("opensearch", "curl"))
    assert cells["search"] in ((REFUSED_BY_CLIENT, REFUSED_BY_ENGINE) if foreign else (RERANKED,))


def test_the_readme_holds_the_table_of_what_was_seen(engines, request):
    for client in NAMES:
        skip_where_missing(client)
    table = render(
        {(engines(name).label, client): engines(name).column(client) for name in ENGINES for client in NAMES}
    )
    text = README.read_text(encoding="utf-8")
    if request.config.getoption("--update-readme"):
        README.write_text(put_between(text, table), encoding="utf-8")
        return
    elsewhere = [engines(name).label for name in ENGINES if f"{engines(name).label}: " not in between(text)]
    if elsewhere:
        pytest.skip(f"the README's table was not made on {' and '.join(elsewhere)}")
    assert between(text) == table, f"run: pytest --update-readme {Path(__file__).relative_to(README.parent)}"


def skip_where_missing(client: str) -> None:
    if client.startswith("JavaScript") and not has_javascript:
        pytest.skip("node and npm are not installed")
    if client == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not installed")
