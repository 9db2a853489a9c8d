"""A user is known, shown to himself and erased: on both engines, searched for in every index, file and log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from conftest import REPO, wait_until
from http_call import Answer, call, fill

from middleware.config import ProfileSettings
from middleware.personalization.documents import to_document
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.identity import Identity
from middleware.personalization.state import EMPTY, Product, fold

pytestmark = pytest.mark.integration
KEY, OLD_KEY, TOKEN = "a key of this test alone", "the key before that one", "the token of this test"
NAME = "änna/o'hara+1@example.org"
NEIGHBOUR = f"{NAME} smith"
IDENTITY = Identity(KEY.encode(), [OLD_KEY.encode()])
HASH, OLD_HASH = IDENTITY.hashes(NAME)
INDICES = ("products", "events", "queries", "profiles", "exposures", "erasures")
SEARCH = {"query": {"match": {"title": "phone"}}, "size": 6}
DAY_MS = 86_400_000


@dataclass
class Shop:
    """A proxy with its folders, and the node behind it."""

    node: str
    url: str
    folder: Path
    log: Path
    config: Path

    def user(self, name: str = NAME, method: str = "GET", query: str = "", **headers: str) -> Answer:
        return call(
            f"{self.url}/_rerank/profiles/{quote(name, safe='')}{query}",
            method=method,
            headers={"X-Rerank-Admin-Token": TOKEN} | {key.replace("_", "-"): value for key, value in headers.items()},
        )

    def brands(self, **headers: str) -> list[str]:
        found = call(f"{self.url}/era-products/_search", SEARCH, {k.replace("_", "-"): v for k, v in headers.items()})
        assert found.headers["X-Rerank"] == "applied", found.headers
        return [hit["_source"]["brand"] for hit in found.json["hits"]["hits"]]

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "middleware", "privacy", *arguments, "--config", str(self.config)]
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


def act(client: str, number: int, at_ms: float, action: str = "purchase") -> dict:
    attributes = {"object": {"object_id": str(number)}, "position": {"ordinal": 1}}
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"client_id": client, "action_name": action, "timestamp": at, "event_attributes": attributes}


def lines(*documents: tuple[str | None, dict]) -> list[dict]:
    return [line for name, each in documents for line in ({"index": {"_id": name} if name else {}}, each)]


def keep_something_of_him(node: str) -> None:
    """Events of ours and of the shop's own, under the old key, queries, exposures, a profile; and a neighbour's."""
    now = time.time() * 1000
    clients = (HASH, HASH, NAME, OLD_HASH, NEIGHBOUR)
    fill(node, "era-events", lines(*((None, act(client, 2, now - 1000 * n)) for n, client in enumerate(clients))))
    fill(node, "era-events", lines((None, {**act("x", 1, now), "user_id": NAME})))
    searches = ({"client_id": client, "user_query": "phone", "timestamp": int(now)} for client in (HASH, NAME))
    fill(node, "era-queries", lines(*((None, each) for each in searches)))
    fill(node, "era-exposures", lines((None, {"user_id": HASH, "variant": "default", "timestamp": int(now)})))
    done = [Event(HASH, "purchase", "2", now / 1000, "e1")]
    state = fold(EMPTY, done, {"2": Product(HitFields(("bolt",), ("phones",), 900.0))}, ProfileSettings(), now / 1000)
    fill(node, "era-profiles", lines((HASH, to_document(state)), ("everybody", {"kind": "everybody", "updated_at": 1})))


@pytest.fixture(scope="module")
def shop(engine_url, start_proxy_process, tiny_model_folder, tmp_path_factory) -> Iterator[Shop]:
    for name in INDICES:
        call(f"{engine_url}/era-{name}", method="DELETE")
    products = [{"title": "phone", "brand": brand, "category": "Phones", "price": price}
                for brand, price in (("Acme", 100), ("Bolt", 900), ("Core", 300)) for _ in range(2)]  # fmt: skip
    fill(engine_url, "era-products", lines(*((str(number), each) for number, each in enumerate(products))))
    keep_something_of_him(engine_url)
    folder = tmp_path_factory.mktemp("cache")
    configuration = {
        "upstream": {"urls": [engine_url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"era-products": {"template": "{title}"}},
        "profiles": {
            "index": "era-profiles",
            "events_index": "era-events",
            "products_index": "era-products",
            "budget_ms": 30_000,
        },
        "events": {"queries_index": "era-queries"},
        "privacy": {
            "key": KEY,
            "old_keys": [OLD_KEY],
            "admin_token": TOKEN,
            "exposures_index": "era-exposures",
            "erasures_index": "era-erasures",
        },
        "variants": {"default": {"weights": {"cross_encoder": 0.1, "brand_affinity": 1.0}}},
        "budget_ms": 30_000,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ES_RERANK_CACHE", str(folder))
        proxy = start_proxy_process(configuration, wait_for="ready")
    config = folder.parent / "privacy.yml"
    config.write_text(yaml.safe_dump(configuration))
    yield Shop(engine_url, proxy.url, folder, proxy.log, config)
    for name in INDICES:
        call(f"{engine_url}/era-{name}", method="DELETE")


def everything_in(node: str) -> Iterator[str]:
    """Every document of every index, hidden ones included, with its address, as text."""
    call(f"{node}/_refresh?expand_wildcards=all", method="POST")
    for each in call(f"{node}/_cat/indices?format=json&expand_wildcards=all").json:
        page = call(f"{node}/{each['index']}/_search?scroll=1m&size=1000", {"query": {"match_all": {}}}).json
        while page["hits"]["hits"]:
            yield from (json.dumps(hit, ensure_ascii=False) for hit in page["hits"]["hits"])
            page = call(f"{node}/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]}).json
        call(f"{node}/_search/scroll", {"scroll_id": page["_scroll_id"]}, method="DELETE")


def names_in(text: str) -> list[str]:
    """Which of his names stand there, the neighbour's, which begins with his, taken out."""
    text = text.replace(NEIGHBOUR, "").replace(json.dumps(NEIGHBOUR)[1:-1], "").replace(quote(NEIGHBOUR, safe=""), "")
    forms = (NAME, json.dumps(NAME)[1:-1], quote(NAME), quote(NAME, safe=""), HASH, OLD_HASH)
    return [form for form in forms if form in text]


def traces_on_disk(shop: Shop) -> list[tuple[str, list[str]]]:
    files = [shop.log, *(path for path in shop.folder.rglob("*") if path.is_file())]
    found = [(path.name, names_in(path.read_bytes().decode("utf-8", "replace"))) for path in files]
    return [(name, names) for name, names in found if names]


def test_without_the_token_nobody_is_shown_or_erased(shop):
    address = f"{shop.url}/_rerank/profiles/{quote(NAME, safe='')}"
    for method in ("GET", "DELETE"):
        missing = call(address, method=method)
        assert (missing.status, missing.json["error"]["type"]) == (401, "security_exception")
        assert missing.headers["WWW-Authenticate"] == "X-Rerank-Admin-Token"
        wrong = call(address, method=method, headers={"X-Rerank-Admin-Token": TOKEN[:-1]})
        assert (wrong.status, wrong.json["status"]) == (403, 403)


def test_everything_about_a_user_is_shown_and_nothing_of_another(shop):
    shown = shop.user().json
    assert shown["user"] == HASH
    assert {kind: shown[kind]["total"]["value"] for kind in ("events", "queries", "exposures", "profiles")} == {
        "events": 5,
        "queries": 2,
        "exposures": 1,
        "profiles": 1,
    }
    assert NEIGHBOUR not in json.dumps(shown, ensure_ascii=False)
    assert "Bought: 2." in shown["facts"]
    assert shown["erased_at"] is None
    assert shown["profiles"]["hits"][0]["_id"] == HASH


def test_events_come_in_pages_newest_first(shop):
    whole = shop.user().json["events"]["hits"]
    paged = [shop.user(query=f"?size=2&from={first}").json["events"]["hits"] for first in (0, 2, 4)]
    assert [len(page) for page in paged] == [2, 2, 1]
    assert [hit["_id"] for page in paged for hit in page] == [hit["_id"] for hit in whole]
    times = [hit["_source"]["timestamp"] for hit in whole]
    assert times == sorted(times, reverse=True)
    assert shop.user(query="?size=x").status == 400
    assert shop.user(query="?size=10001").json["error"]["type"] == "illegal_argument_exception"


def test_as_lines_the_export_is_whole_and_the_command_writes_the_same(shop):
    answer = shop.user(Accept="application/x-ndjson")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    found = [json.loads(line) for line in answer.body.splitlines()]
    assert sorted(line["kind"] for line in found) == [*["events"] * 5, "exposures", "profiles", *["queries"] * 2]
    assert [json.loads(line) for line in shop.run("export", NAME).splitlines()] == found


def test_by_hash_our_own_documents_are_shown_and_it_says_what_is_not(shop):
    shown = shop.user(HASH).json
    assert shown["events"]["total"]["value"] == 2
    assert any("Asked by a hash" in fact for fact in shown["facts"])


def test_a_user_nobody_knows_is_not_found(shop):
    answer = shop.user("nobody-knows-me")
    assert (answer.status, answer.json["found"]) == (404, False)


def test_without_consent_a_search_is_everybodys(shop):
    for_everybody = shop.brands()
    user = quote(NAME)  # a header is Latin-1; this one has his profile under a name of its own
    fill(shop.node, "era-events", lines((None, act(user, 4, time.time() * 1000))))
    assert shop.brands(X_Rerank_User=user)[:2] == ["Core", "Core"]
    assert shop.brands(X_Rerank_User=user, X_Rerank_Consent="all")[:2] == ["Core", "Core"]
    for refusal in ("none", "perhaps"):
        assert shop.brands(X_Rerank_User=user, X_Rerank_Consent=refusal) == for_everybody
    assert shop.user(user, "DELETE").json["deleted"]["era-events"] == 1
    assert shop.brands(X_Rerank_User=user) == for_everybody, "this process has forgotten at once"


def test_erased_nothing_is_left_but_the_tombstone(shop):
    before = list(everything_in(shop.node))
    assert sum(bool(names_in(text)) for text in before) == 9, "the search for traces finds what is there"
    erased = shop.user(method="DELETE")
    assert erased.status == 200, erased.body
    assert {name: erased.json["deleted"][f"era-{name}"] for name in ("events", "queries", "exposures", "profiles")} == {
        "events": 5,
        "queries": 2,
        "exposures": 1,
        "profiles": 1,
    }
    after = list(everything_in(shop.node))
    left = [json.loads(text) for text in after if names_in(text)]
    assert sorted((hit["_index"], hit["_id"]) for hit in left) == sorted(
        ("era-erasures", name) for name in (HASH, OLD_HASH)
    )
    assert [set(hit["_source"]) for hit in left] == [{"erased_at"}] * 2
    assert len(after) == len(before) - 9 + 2
    assert traces_on_disk(shop) == []
    shown = shop.user().json
    assert (shown["found"], shown["erased_at"]) == (False, erased.json["erased_at"])


def test_erased_twice_nothing_more_is_found(shop):
    again = shop.user(method="DELETE").json
    assert (again["total"], again["acknowledged"]) == (0, True)


def test_purge_removes_what_is_old_and_what_came_late_for_the_erased(shop):
    shop.user(method="DELETE")
    now = time.time() * 1000
    old, new = now - 400 * DAY_MS, now + DAY_MS
    late = act(HASH, 1, now - DAY_MS)
    kept = [("old", act("u", 1, old)), ("late", late), ("back", act(HASH, 1, new)), ("new", act("u", 1, now))]
    fill(shop.node, "era-events", lines(*kept))
    fill(shop.node, "era-profiles", lines(("u1.x", {"kind": "user", "last_event_at": int(old), "updated_at": 1})))
    fill(shop.node, "era-erasures", lines(("u1.x", {"erased_at": int(old)})))
    told = ("1 events older than 365 days", "1 events that came after an erasure", "1 profiles older", "1 erasures old")
    counted = shop.run("purge", "--dry-run")
    assert all(f"{each}" in counted for each in told), counted
    assert "would go" in counted
    removed = shop.run("purge")
    assert all(f"{each}" in removed for each in told), removed
    there = {hit["_id"] for hit in map(json.loads, everything_in(shop.node)) if hit["_index"].startswith("era-")}
    assert there & {"old", "late", "back", "new", "u1.x", "everybody", HASH} == {"back", "new", "everybody", HASH}


def test_the_command_erases_as_the_address_does(shop):
    assert "1 erased from era-events" in shop.run("erase", NAME, "--yes")
    assert not shop.user().json["found"]


def post_event(shop: Shop, at_ms: float, **headers: str) -> Answer:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return call(f"{shop.url}/_rerank/events", act(NAME, 3, at_ms), sent)


def events_kept(shop: Shop) -> int:
    return int(shop.user().json["events"]["total"]["value"])


def test_without_consent_no_event_is_kept(shop):
    shop.user(method="DELETE")
    for refusal in ("none", "perhaps"):
        assert post_event(shop, time.time() * 1000, X_Rerank_Consent=refusal).status == 202
    assert not shop.user().json["found"]
    assert traces_on_disk(shop) == []
    assert post_event(shop, time.time() * 1000, X_Rerank_Consent="all").status == 202
    wait_until(lambda: events_kept(shop) == 1, 20, "the event with consent is written")


def test_events_that_wait_are_erased_and_those_that_come_late_are_not_written(shop):
    made = time.time() * 1000
    assert post_event(shop, made).status == 202
    assert shop.user(method="DELETE").status == 200
    assert traces_on_disk(shop) == []
    assert post_event(shop, made - 1000).status == 202, "sent before the erasure by some other machine's clock"
    assert post_event(shop, time.time() * 1000 + 5).status == 202
    wait_until(lambda: events_kept(shop) == 1, 20, "the event after the erasure is written")
    wait_until(lambda: traces_on_disk(shop) == [], 20, "the spool is empty")
    (kept,) = shop.user().json["events"]["hits"]
    assert kept["_source"]["client_id"] == HASH
    assert not [text for text in everything_in(shop.node) if NAME in text.replace(NEIGHBOUR, "")]


def test_a_name_is_not_in_the_metrics_nor_in_the_log(shop):
    shop.user()
    metrics = call(f"{shop.url}/_rerank/metrics").body.decode()
    assert "rerank" in metrics
    assert names_in(metrics) == []
    assert traces_on_disk(shop) == []
