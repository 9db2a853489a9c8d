"""Nodes behind TLS: certificates are checked against upstream.ca_file, and the client's credentials arrive."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from http_call import call
from recorder import Recorder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates, and is not installed"),
]

HITS = json.dumps(
    {
        "took": 1,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {
            "total": {"value": 1, "relation": "eq"},
            "max_score": 1.0,
            "hits": [{"_index": "products", "_id": "1", "_score": 1.0, "_source": {"title": "red shoe"}}],
        },
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(HITS), HITS)
SEARCH = {"query": {"match": {"title": "shoe"}}}


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """ca.pem, and certificates it signed: right.pem for 127.0.0.1 and localhost, wrong.pem for another host."""
    folder = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    for name, hosts in (("right", "IP:127.0.0.1,DNS:localhost"), ("wrong", "DNS:elsewhere.example")):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "hosts").write_text(f"subjectAltName={hosts}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "hosts")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    return folder


@pytest.fixture(scope="module")
def names_asked_for() -> list[str | None]:
    return []


@pytest.fixture(scope="module")
def nodes(certificates, names_asked_for):
    def make(name: str) -> Recorder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        context.sni_callback = lambda _socket, asked, _context: names_asked_for.append(asked)
        return Recorder(lambda _request: ANSWER, requests_per_connection=100, tls=context)

    nodes = {name: make(name) for name in ("right", "wrong")}
    yield nodes
    for node in nodes.values():
        node.close()


@pytest.fixture(scope="module")
def proxy(nodes, certificates, start_proxy_process):
    """Trusts the CA, and reaches the node by name."""
    url = nodes["right"].url.replace("127.0.0.1", "localhost")
    return start_proxy_process({"upstream": {"urls": [url], "ca_file": str(certificates / "ca.pem")}})


def test_a_node_whose_certificate_the_ca_signed_is_served(proxy, nodes, names_asked_for):
    assert call(f"{proxy.url}/products/_doc/1").status == 200
    assert names_asked_for[-1] == "localhost"
    assert b"Host: localhost:%d\r\n" % nodes["right"].port in nodes["right"].requests[-1]


@pytest.mark.parametrize("credentials", ["Basic dTpw", "ApiKey a2V5OnNlY3JldA==", "Bearer abc.def-ghi"])
@pytest.mark.parametrize("path", ["_cluster/health", "products/_search"])
def test_the_clients_credentials_arrive_at_the_node_unchanged(proxy, nodes, credentials, path):
    search = path.endswith("_search")
    answer = call(f"{proxy.url}/{path}", SEARCH if search else None, {"Authorization": credentials})
    assert answer.status == 200
    if search:
        assert answer.headers["X-Rerank-Reason"] == "no_model", "it was a first-stage request"
    lines = [line.decode() for line in nodes["right"].requests[-1].split(b"\r\n")]
    arrived = [line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")]
    assert arrived == [credentials]


def test_without_the_ca_every_request_is_a_502_that_names_the_setting(nodes, start_proxy_process):
    proxy = start_proxy_process({"upstream": {"urls": [nodes["right"].url]}})
    for path in ("_cluster/health", "products/_search?q=shoe"):
        answer = call(f"{proxy.url}/{path}")
        assert answer.status == 502
        assert "upstream.ca_file" in answer.json["error"]["reason"]
        assert "certificate verify failed" in answer.json["error"]["reason"]


def test_a_certificate_for_another_host_is_refused(nodes, certificates, start_proxy_process):
    urls, ca_file = [nodes["wrong"].url], str(certificates / "ca.pem")
    proxy = start_proxy_process({"upstream": {"urls": urls, "ca_file": ca_file}})
    before = len(nodes["wrong"].requests)
    answer = call(f"{proxy.url}/_cluster/health", headers={"Authorization": "Basic dTpw"})
    assert answer.status == 502
    assert "127.0.0.1" in answer.json["error"]["reason"]
    assert len(nodes["wrong"].requests) == before, "no credentials may reach a host that is not who it should be"


def test_a_node_that_fails_its_handshake_is_passed_over_for_the_next(nodes, certificates, start_proxy_process):
    urls, ca_file = [nodes["wrong"].url, nodes["right"].url], str(certificates / "ca.pem")
    proxy = start_proxy_process({"upstream": {"urls": urls, "ca_file": ca_file}})
    assert {call(f"{proxy.url}/i/_doc", {"a": 1}).status for _ in range(6)} == {200}


def test_insecure_takes_any_certificate(nodes, start_proxy_process):
    proxy = start_proxy_process({"upstream": {"urls": [nodes["wrong"].url], "insecure": True}})
    assert call(f"{proxy.url}/_cluster/health").status == 200
    assert "InsecureRequestWarning" not in proxy.log.read_text()
