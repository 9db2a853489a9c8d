"""ubi.js in a real browser: what it sends, once, with consent only, and also when the page is left."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from middleware.web.ubi import small_script

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright: the snippet meets no browser")
PAGE = """<!doctype html><html><body data-ubi-query-id="q1" data-ubi-object-id-field="_id">
<script src="/_rerank/ubi.js"></script><script>SETUP</script>
<ul><li data-ubi-click data-ubi-view data-ubi-object-id="p1" data-ubi-position="1"><a href="#x" id="first">one</a></li>
<li style="margin-top:3000px" id="far" data-ubi-view="seen" data-ubi-object-id="p2" data-ubi-position="2">two</li></ul>
<button id="cart" data-ubi-click="add_to_cart" data-ubi-object-id="p1" data-ubi-query-id="q2">buy</button>
</body></html>"""


class Shop(ThreadingHTTPServer):
    """A shop's page, the script, and the events that come in; `status` is what they are answered with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.setup = ""
        self.status = 202
        self.events: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 10
        while len(self.events) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.events) >= count, self.events
        return self.events


class _Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        is_script = self.path == "/_rerank/ubi.js"
        body = small_script() if is_script else PAGE.replace("SETUP", self.server.setup).encode()
        self._answer(200, body, "text/javascript" if is_script else "text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        if self.server.status == 202:
            self.server.events += [json.loads(line) for line in body.splitlines()]
        self._answer(self.server.status, b"{}", "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        try:
            browser = started.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser, shop) -> Iterator[Any]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_clicks_and_views_are_sent_with_what_the_page_says_of_them(page, shop):
    shop.setup = "ubi.configure({wait_ms: 100, view_ms: 50, application: 'shop'})"
    page.goto(shop.url)
    shop.wait_for(1)
    page.click("#first")
    page.click("#cart")
    by_action = {event["action_name"]: event for event in shop.wait_for(4)}
    assert set(by_action) == {"view", "click", "seen", "add_to_cart"}  # the far one is scrolled to by the last click
    click = by_action["click"]
    assert click["event_attributes"] == {
        "object": {"object_id": "p1", "object_id_field": "_id"}, "position": {"ordinal": 1},
    }  # fmt: skip
    assert (click["query_id"], click["application"]) == ("q1", "shop")
    assert by_action["add_to_cart"]["query_id"] == "q2"
    assert len({event["event_id"] for event in shop.events}) == 4
    assert len({event["client_id"] for event in shop.events}) == 1


def test_what_is_not_seen_is_no_view(page, shop):
    shop.setup = "ubi.configure({wait_ms: 50, view_ms: 50})"
    page.goto(shop.url)
    shop.wait_for(1)
    page.wait_for_timeout(300)
    assert [event["event_attributes"]["object"]["object_id"] for event in shop.events] == ["p1"]
    page.evaluate("document.querySelector('#far').scrollIntoView()")
    assert shop.wait_for(2)[1]["action_name"] == "seen"


def test_many_events_go_in_batches_and_leaving_the_page_sends_the_rest(page, shop):
    shop.setup = "ubi.configure({wait_ms: 60000, view_ms: 60000})"
    page.goto(shop.url)
    page.evaluate("for (let i = 0; i < 45; i++) ubi.track('click', {object_id: i, query_id: 'q', position: i})")
    shop.wait_for(40)
    page.wait_for_timeout(200)
    assert len(shop.events) == 40
    page.goto("about:blank")
    events = shop.wait_for(45)
    assert sorted(int(event["event_attributes"]["object"]["object_id"]) for event in events) == list(range(45))


def test_client_and_session_stay_over_pages_and_a_session_ends_with_silence(page, shop):
    shop.setup = "ubi.configure({session_ms: 300})"
    page.goto(shop.url)
    names = "[ubi.client_id(), ubi.session_id()]"
    first = page.evaluate(names)
    page.reload()
    assert page.evaluate(names)[0] == first[0]
    page.wait_for_timeout(400)
    later = page.evaluate(names)
    assert later[0] == first[0]
    assert later[1] != first[1]


def test_without_consent_nothing_is_kept_or_sent_and_what_was_kept_goes(page, shop):
    shop.setup = "window.yes = true; ubi.configure({wait_ms: 20, view_ms: 1, consent: () => window.yes})"
    page.goto(shop.url)
    shop.wait_for(1)
    sent = len(shop.events)
    page.evaluate("window.yes = false")
    assert page.evaluate("ubi.track('click', {object_id: 'p1'})") == ""
    assert page.evaluate("ubi.client_id() + ubi.session_id()") == ""
    assert page.evaluate("Object.keys(localStorage).length") == 0
    page.wait_for_timeout(200)
    assert len(shop.events) == sent


def test_global_privacy_control_is_a_no(page, shop):
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})")
    shop.setup = "ubi.configure({wait_ms: 20, view_ms: 1})"
    page.goto(shop.url)
    page.click("#first")
    page.wait_for_timeout(300)
    assert shop.bodies == []
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_where_there_are_no_beacons_events_are_fetched_and_repeated_under_their_ids(page, shop):
    page.add_init_script("navigator.sendBeacon = undefined; window.later = setTimeout;"
                         "window.setTimeout = (f, ms) => later(f, Math.min(ms, 50))")  # fmt: skip
    shop.setup, shop.status = "ubi.configure({view_ms: 1})", 503
    page.goto(shop.url)
    event_id = page.evaluate("ubi.track('purchase', {object_id: 'p1'})")
    page.wait_for_timeout(300)
    assert len(shop.bodies) > 1
    assert shop.events == []
    shop.status = 202
    assert event_id in {event["event_id"] for event in shop.wait_for(2)}
