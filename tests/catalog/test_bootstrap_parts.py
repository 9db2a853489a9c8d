"""Parts of the bootstrap without a node: patience with a small fake cluster, mappings, language, command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from middleware.catalog import bootstrap_patience
from middleware.catalog.bootstrap_body import build_index_body
from middleware.catalog.bootstrap_fields import FieldMapper
from middleware.catalog.bootstrap_load import load
from middleware.catalog.bootstrap_patience import Patience
from middleware.catalog.bootstrap_versions import Build, check_alias
from middleware.catalog.client import Access, connect, describe_cluster
from middleware.catalog.commands import app, parse_renames
from middleware.catalog.language import Analysis, Profile, detect_language
from middleware.catalog.mapping_files import find_mappings, list_languages, load_analysis, load_body
from middleware.catalog.prepare import Prepared
from middleware.errors import CommandError, ConfigError


class FakeCluster:
    """Answers each request by the next of `answers` (status, body), the last one for ever; remembers what it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                cluster.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, answer = cluster.answers.pop(0) if len(cluster.answers) > 1 else cluster.answers[0]
                answer = answer(body) if callable(answer) else answer
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = respond

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def bodies(self, path: str) -> list[bytes]:
        return [body for asked, _, body in self.requests if asked.startswith(path)]


@pytest.fixture
def cluster(monkeypatch) -> Iterator[FakeCluster]:
    monkeypatch.setattr(bootstrap_patience, "FIRST_PAUSE_S", 0.01)
    cluster = FakeCluster()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


def bulk_answer(statuses):
    """An answer to _bulk with these statuses by document id; 201 for all others."""

    def answer(body):
        sent = [json.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        items = [
            {"_id": name, "status": statuses.get(name, 201), "error": {"type": "t", "reason": "r"}} for name in sent
        ]
        return {"errors": bool(statuses), "items": [{"index": item} for item in items]}

    return answer


def prepared(*names, **document):
    return [Prepared(line, name, dict(document), "raw") for line, name in enumerate(names, 1)]


def run_load(cluster, documents, seconds=5.0):
    with connect(cluster.url) as client:
        return list(load(client, "products-1", iter(documents), Patience(seconds)))


def test_only_the_documents_that_a_busy_node_turned_away_are_sent_again(cluster):
    cluster.answers = [(200, bulk_answer({"b": 429})), (200, bulk_answer({}))]
    (batch,) = run_load(cluster, prepared("a", "b", "c"))
    assert [item.id for item in batch.indexed] == ["a", "b", "c"]
    first, second = cluster.bodies("/_bulk")
    assert (first.count(b'"_id"'), second.count(b'"_id"')) == (3, 1)
    assert b'"b"' in second


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_request_turned_away_as_a_whole_is_sent_again(cluster, status):
    cluster.answers = [(status, {"error": {"reason": "busy"}}), (200, bulk_answer({}))]
    (batch,) = run_load(cluster, prepared("a"))
    assert [item.id for item in batch.indexed] == ["a"]


def test_patience_ends_with_one_line_that_says_why(cluster):
    cluster.answers = [(429, {"error": {"reason": "queue is full"}})]
    with pytest.raises(CommandError, match=r"gave up after 0.1 s: .* 429: queue is full; run the same command again"):
        run_load(cluster, prepared("a"), seconds=0.1)


def test_a_document_refused_for_good_is_not_sent_again(cluster):
    cluster.answers = [(200, bulk_answer({"b": 400}))]
    (batch,) = run_load(cluster, prepared("a", "b"))
    assert [item.id for item in batch.indexed] == ["a"]
    assert [(refusal.prepared.line, refusal.detail) for refusal in batch.refused] == [(2, "t: r")]
    assert len(cluster.requests) == 1


def test_a_failure_that_will_not_pass_ends_the_load(cluster):
    cluster.answers = [(200, bulk_answer({"a": 403}))]
    with pytest.raises(CommandError, match="403"):
        run_load(cluster, prepared("a"))


def test_requests_are_in_plain_media_types_and_any_product_will_do(cluster):
    cluster.answers = [(200, {"version": {"number": "3.8.0", "distribution": "opensearch"}}), (200, bulk_answer({}))]
    with connect(cluster.url, Access(api_key="a2V5")) as client:
        assert describe_cluster(client).distribution == "opensearch"
        list(load(client, "i", prepared("a"), Patience(1)))
    for _, headers, _ in cluster.requests:
        assert headers["authorization"] == "ApiKey a2V5"
        assert "vnd.elasticsearch" not in headers["accept"] + headers.get("content-type", "")
    assert cluster.requests[1][1]["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize(
    ("status", "body", "needle"),
    [
        (401, {}, "refuses access"),
        (200, {"hello": "world"}, "not as Elasticsearch"),
        (500, {"error": {"reason": "boom"}}, "500: boom"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line_with_its_address(cluster, status, body, needle):
    cluster.answers = [(status, body)]
    with connect(cluster.url) as client, pytest.raises(CommandError, match=needle) as caught:
        describe_cluster(client)
    assert cluster.url in str(caught.value)


def test_credentials_in_the_url_are_used_and_never_shown(cluster):
    cluster.answers = [(401, {})]
    with (
        connect(cluster.url.replace("//", "//me:s%40cret@")) as client,
        pytest.raises(CommandError) as caught,
    ):
        describe_cluster(client)
    assert cluster.requests[0][1]["authorization"] == "Basic bWU6c0BjcmV0"
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:9200", "ftp://x", "http://"])
def test_a_url_that_is_none_is_a_config_error(url):
    with pytest.raises(ConfigError, match="--url"):
        connect(url)


def test_new_fields_are_announced_once_and_only_where_the_name_alone_decides(cluster):
    cluster.answers = [(200, {"acknowledged": True})]
    mappings = load_body("products")["mappings"]
    with connect(cluster.url) as client:
        mapper = FieldMapper(client, "i", mappings, Patience(1))
        mapper.announce(prepared("a", attr_t_x="1", attr_n_y=2, title="t", other="o"))
        mapper.announce(prepared("b", attr_t_x="3", attr_b_z=True))
    first, second = (json.loads(body)["properties"] for body in cluster.bodies("/i/_mapping"))
    assert first.keys() == {"attr_t_x", "attr_n_y"}
    assert second == {"attr_b_z": {"type": "boolean"}}


def make_analysis(language="en", subfields=()):
    def profile(name):
        return Profile(name, "standard", "why", {"type": name}, {"type": f"{name}_search"}, {f"{name}_f": {}})

    return Analysis(language, "asked for", profile("en"), profile("zh"), subfields)


@pytest.mark.parametrize("name", ["products", "ubi_queries", "ubi_events", "profiles", "exposures"])
def test_every_analyzer_that_a_mapping_names_is_defined(name):
    body = build_index_body(make_analysis()) if name == "products" else load_body(name)
    defined = {"standard", *body["settings"].get("analysis", {}).get("analyzer", {})}
    named = set(find_values(body["mappings"], ("analyzer", "search_analyzer")))
    assert named <= defined


def find_values(node, names):
    if isinstance(node, dict):
        for name, value in node.items():
            if name in names and isinstance(value, str):
                yield value
            yield from find_values(value, names)
    elif isinstance(node, list):
        for item in node:
            yield from find_values(item, names)


def test_a_mixed_index_analyses_titles_both_ways():
    body = build_index_body(make_analysis("mixed", ("title", "description")))
    properties = body["mappings"]["properties"]
    assert properties["title"]["analyzer"] == "shop_text"
    assert properties["title"]["fields"]["zh"]["analyzer"] == "shop_zh"
    assert properties["description"]["fields"]["zh"]["analyzer"] == "shop_zh"


def test_a_mapping_of_the_shop_keeps_its_own_analyzers(tmp_path):
    own = {"analysis": {"analyzer": {"shop_text": {"type": "whitespace"}}}}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"settings": {"index": {"number_of_shards": 3, **own}}, "mappings": {}}))
    settings = build_index_body(make_analysis(), path)["settings"]
    assert settings["number_of_shards"] == 3
    assert settings["analysis"]["analyzer"]["shop_text"] == {"type": "whitespace"}
    assert settings["analysis"]["analyzer"]["shop_zh"] == {"type": "zh"}


@pytest.mark.parametrize("content", ["nonsense", "[]", "{}", '{"mappings": {}, "other": 1}', '{"mappings": 1}'])
def test_a_mapping_file_that_is_none_is_a_config_error(tmp_path, content):
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="--mapping"):
        load_body("products", path)


@pytest.mark.parametrize("language", list_languages())
def test_every_language_ends_with_a_profile_that_every_cluster_serves(language):
    found = load_analysis(language)
    assert found["language"] == language
    if language == "mixed":
        assert {found["text"], *found["also"]} <= set(list_languages())
        return
    assert found["profiles"][-1]["index"] == {"type": "standard"}
    assert all(entry["probe"]["tokens"] for entry in found["profiles"])


def test_an_unknown_language_lists_those_there_are():
    with pytest.raises(ConfigError, match="auto or one of de, en"):
        load_analysis("tlh")


@pytest.mark.parametrize(
    ("titles", "language"),
    [
        ([], "en"),
        (["USB"] * 99 + ["鼠标"], "en"),
        (["USB"] * 50 + ["鼠标"] * 50, "mixed"),
        (["罗技 M170 无线鼠标"] * 95 + ["USB"] * 5, "zh"),
    ],
)
def test_the_script_of_the_titles_decides_the_language(titles, language):
    found, reason = detect_language(titles)
    assert found == language
    assert f"of the first {len(titles)} titles" in reason


def test_the_mappings_folder_is_the_one_of_the_checkout():
    assert (find_mappings() / "analysis" / "en.json").is_file()


def test_what_an_index_says_of_its_making_survives_the_way_through_json():
    build = Build("products-1", "f", checkpoint=7, refused=2, previous=("a",))
    meta = json.loads(json.dumps(build.to_meta()))["es_rerank"]
    assert Build.from_meta("products-1", {**meta, "from_a_later_release": 1}) == build


@pytest.mark.parametrize("alias", ["", "Products", "_x", "a b", "a*", "a/b", "-a"])
def test_an_alias_that_elasticsearch_would_refuse_is_a_config_error(alias):
    with pytest.raises(ConfigError, match="--alias"):
        check_alias(alias)


def test_renames_are_pairs():
    assert parse_renames(["supplier=brand", " a = b "]) == {"supplier": "brand", "a": "b"}
    with pytest.raises(ConfigError, match="SOURCE=TARGET"):
        parse_renames(["brand"])


def test_rules_prints_every_step_unit_and_fill_rule():
    output = CliRunner().invoke(app, ["rules"], env={"COLUMNS": "200"}).output
    for word in ("normalise-units", "drop-near-duplicates", "15.6 inch", "short_description", "a hash of the record"):
        assert word in output


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["products"], "--input"),
        (["products", "--input", "missing.jsonl"], "missing.jsonl"),
        (["products", "--input", "-", "--price-divisor", "0"], "--price-divisor"),
        (["ubi", "--url", "nowhere"], "--url"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, needle):
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigError)
    assert needle in str(result.exception)


def test_an_unreachable_cluster_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}")
    arguments = ["products", "--input", str(tmp_path / "a.jsonl"), "--url", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, CommandError)
    assert str(result.exception).startswith("cannot reach Elasticsearch at http://127.0.0.1:1: ")
