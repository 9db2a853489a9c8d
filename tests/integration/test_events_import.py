"""`es-rerank events import` of both real logs into a real node: counts, hashes, product ids, and nothing twice."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from http_call import call, fill
from typer.testing import CliRunner, Result

from middleware.cli import app

pytestmark = pytest.mark.integration
EVENTS, QUERIES, PRODUCTS = "import-events", "import-queries", "import-products"


@pytest.fixture
def config(upstream_url, tmp_path) -> Path:
    settings = {
        "upstream": {"urls": [upstream_url]},
        "privacy": {"key": "a secret of the tests"},
        "profiles": {"events_index": EVENTS, "products_index": PRODUCTS},
        "events": {"queries_index": QUERIES},
    }
    for index in (EVENTS, QUERIES, PRODUCTS):
        for name in (f"{index}-000001", index):
            call(f"{upstream_url}/{name}", method="DELETE")
    path = tmp_path / "rerank.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def run(path: Path, config: Path, *options: str) -> Result:
    result = CliRunner().invoke(app, ["events", "import", str(path), "--config", str(config), *options])
    assert result.exit_code == 0, result.output
    return result


def stored(url: str, index: str) -> dict[str, dict]:
    found = call(f"{url}/{index}/_search?size=10000").json["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in found}


def table(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if "│" in line]


def records(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line.rpartition("\t")[2]) for line in lines]


def test_the_chorus_log_is_imported_once_by_our_product_ids_and_names_nobody(config, upstream_url, shared_data):
    path = shared_data / "chorus" / "ubi_log.tsv.gz"
    with gzip.open(shared_data / "chorus" / "products.jsonl.gz", "rt") as lines:
        products = [json.loads(line) for line in lines]
    eans = {ean: product["id"] for product in products for ean in product.get("ean", [])}
    log = records(path)
    clicked = [each["event_attributes"]["object"]["object_id"] for each in log if each.get("action_name") == "purchase"]
    known = {eans[ean] for ean in clicked[:50]}
    mapping = {"mappings": {"properties": {"ean": {"type": "keyword"}}}}
    assert call(f"{upstream_url}/{PRODUCTS}", mapping, method="PUT").status == 200
    fill(upstream_url, PRODUCTS, [line for product in products if product["id"] in known
         for line in ({"index": {"_id": product["id"]}}, {"ean": product["ean"]})])  # fmt: skip
    options = ("--object-id-field", "primary_ean=ean")
    run(path, config, *options)
    events, queries = stored(upstream_url, EVENTS), stored(upstream_url, QUERIES)
    assert {each["event_attributes"]["object"]["object_id"] for each in events.values()} >= known
    assert all(each["event_attributes"]["object"]["object_id"] in known for each in events.values())
    assert len(queries) == sum("query_response_id" in each for each in log)
    assert Counter(each["action_name"] for each in events.values())["purchase"] >= 50
    kept = json.dumps([events, queries])
    assert not [name for name in {each["client_id"] for each in log} if name in kept]
    addresses = {each["event_attributes"]["ip"] for each in log if "ip" in each.get("event_attributes", {})}
    assert not [address for address in addresses if f'"{address}"' in kept]
    again = run(path, config, *options)
    assert "\n0 new" in again.stdout
    assert set(stored(upstream_url, EVENTS)) == set(events)


def test_the_esci_log_keeps_its_ids_and_its_impressions(config, upstream_url, shared_data):
    path = shared_data / "esci" / "ubi_queries_events.ndjson.gz"
    counted = run(path, config, "--dry-run").stdout
    assert call(f"{upstream_url}/{EVENTS}/_count").status == 404
    assert table(run(path, config).stdout) == table(counted)
    events = stored(upstream_url, EVENTS)
    log = records(path)
    ids = {each["index"]["_id"] for each in log if "index" in each}
    assert set(events) <= ids
    shown = sum(each["action_name"] == "impression" for each in events.values())
    assert 0 <= sum(each.get("action_name") == "impression" for each in log) - shown <= 30  # at impossible times
    assert all(each["client_id"].startswith("u1.") for each in events.values())


def test_an_event_that_was_sent_live_is_not_there_again_after_an_import(
    config, upstream_url, tmp_path, start_proxy_process
):
    event = {"event_id": "e1", "client_id": "anna@example.org", "action_name": "click", "timestamp": "2024-06-04",
             "event_attributes": {"object": {"object_id": "1"}}}  # fmt: skip
    settings = yaml.safe_load(config.read_text()) | {"events": {"queries_index": QUERIES, "spool": str(tmp_path / "s")}}
    proxy = start_proxy_process(settings)
    assert call(f"{proxy.url}/_rerank/events", event).status == 202
    proxy.stop()
    call(f"{upstream_url}/{EVENTS}/_refresh", b"")
    assert len(stored(upstream_url, EVENTS)) == 1
    log = tmp_path / "log.ndjson"
    log.write_text(json.dumps(event) + "\n")
    assert "0 new, 1 were there already" in run(log, config).stdout
