"""`POST /_rerank/events` as a browser or a server sees it: statuses, items, limits, consent and origins."""

from __future__ import annotations

import gzip
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from middleware.admin import add_error_pages
from middleware.behaviour.event_check import EventCheck
from middleware.behaviour.sink import open_sink
from middleware.config import Settings
from middleware.observability import Metrics
from middleware.personalization.identity import Identity
from middleware.web.events import make_events_blueprint

PATH = "/_rerank/events"
CLICK = {"action_name": "click", "client_id": "anna", "event_id": "e1", "timestamp": "2026-11-24T10:00:00Z"}
HASH = Identity(b"k" * 32).hash


def serve(tmp_path, **events) -> FlaskClient:
    settings = Settings(events={"spool": tmp_path, "max_events": 5, "max_bytes": 2000, **events})
    metrics = Metrics()
    sink = open_sink(settings, None, metrics)  # type: ignore[arg-type]  # not started: nothing is sent
    flask = Flask("events")
    check = EventCheck("ubi_events", HASH, 300, 1000)
    flask.register_blueprint(make_events_blueprint(settings, sink, check, metrics))
    add_error_pages(flask)
    flask.extensions["sink"], flask.extensions["metrics"] = sink, metrics
    return flask.test_client()


def kept(client: FlaskClient) -> int:
    return len(client.application.extensions["sink"].find(HASH("anna")))


@pytest.fixture
def client(tmp_path) -> FlaskClient:
    return serve(tmp_path)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8", "application/x-ndjson", None])
def test_an_event_is_kept_whatever_its_content_type(client, content_type):
    answer = client.post(PATH, data=json.dumps(CLICK), content_type=content_type)
    assert answer.status_code == 202
    assert answer.json["errors"] is False
    (item,) = answer.json["items"]
    assert item["create"]["_index"] == "ubi_events"
    assert item["create"]["status"] == 202
    assert kept(client) == 1


def test_an_item_at_fault_costs_no_other_and_is_told_in_its_place(client):
    answer = client.post(PATH, json=[CLICK, {"client_id": "anna"}, {**CLICK, "event_id": "e2"}])
    assert answer.status_code == 202
    assert answer.json["errors"] is True
    assert [item["create"]["status"] for item in answer.json["items"]] == [202, 400, 202]
    assert "[action_name] is missing" in answer.json["items"][1]["create"]["error"]["reason"]
    assert kept(client) == 2
    text = client.application.extensions["metrics"].exposition().decode()
    assert 'es_rerank_events_total{fate="accepted"} 2.0' in text
    assert 'es_rerank_events_total{fate="refused"} 1.0' in text


def test_where_all_are_at_fault_the_answer_is_an_error_too(client):
    answer = client.post(PATH, json={"client_id": "anna"})
    assert answer.status_code == answer.json["status"] == 400
    assert answer.json["error"]["type"] == "illegal_argument_exception"
    assert len(answer.json["items"]) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"hello", 400), (json.dumps([CLICK] * 6).encode(), 413), (b" " * 2001, 413)],
)
def test_a_body_that_cannot_be_taken_is_refused_whole(client, body, status):
    answer = client.post(PATH, data=body)
    assert answer.status_code == answer.json["status"] == status
    assert kept(client) == 0


def test_compressed_bodies_are_taken_within_the_same_bound(client):
    headers = {"Content-Encoding": "gzip"}
    assert client.post(PATH, data=gzip.compress(json.dumps(CLICK).encode()), headers=headers).status_code == 202
    assert client.post(PATH, data=gzip.compress(b" " * 100_000), headers=headers).status_code == 413
    assert client.post(PATH, data=b"no gzip", headers=headers).status_code == 400


def test_with_consent_an_event_is_kept(client):
    assert "consent" not in client.post(PATH, json=CLICK, headers={"X-Rerank-Consent": "all"}).json
    assert kept(client) == 1


@pytest.mark.parametrize("said", ["none", "None", "", "perhaps", "all, none"])
def test_without_consent_nothing_is_kept_and_the_answer_says_so(client, said):
    answer = client.post(PATH, json=CLICK, headers={"X-Rerank-Consent": said})
    assert answer.status_code == 202
    assert answer.json["consent"] == "none"
    assert kept(client) == 0


def test_a_full_spool_is_told_with_the_time_to_come_back(tmp_path):
    client = serve(tmp_path, spool_max_bytes=10)
    answer = client.post(PATH, json=CLICK)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["error"]["type"] == "es_rejected_execution_exception"


def test_pages_of_named_origins_may_send_and_others_may_not(tmp_path):
    client = serve(tmp_path, allow_origins=["https://shop.example"])
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = client.options(PATH, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-Rerank-Consent" in answer.headers["Access-Control-Allow-Headers"]
    assert client.post(PATH, json=CLICK, headers=asked).headers["Access-Control-Allow-Origin"] == asked["Origin"]
    refused = client.post(PATH, json=CLICK, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert client.post(PATH, json=CLICK, headers={"Origin": "http://localhost"}).status_code == 202


def test_all_origins_may_send_where_the_star_stands_but_without_credentials(tmp_path):
    answer = serve(tmp_path, allow_origins=["*"]).post(PATH, json=CLICK, headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_origins_in_the_settings_no_other_page_reads_an_answer(client):
    answer = client.post(PATH, json=CLICK, headers={"Origin": "https://any.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
