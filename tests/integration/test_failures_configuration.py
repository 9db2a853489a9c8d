"""A wrong configuration is one line that names key, value and remedy, and exit status 2, whatever is wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from middleware.config import load_settings
from middleware.errors import ConfigError

REPO = Path(__file__).parents[2]

BROKEN = {
    "an unknown section": ("upstrem: {}", "upstrem: 'dict': there is no such key"),
    "an unknown key": ("upstream: {url: a}", "upstream.url: 'a': there is no such key"),
    "a wrong type": ("budget_ms: soon", "budget_ms: 'soon': Input should be a valid integer"),
    "a value out of range": ("budget_ms: 0", "budget_ms: 0: Input should be greater than 0"),
    "text for a list": ("upstream: {urls: 'http://a:1'}", "upstream.urls: 'http://a:1': write a list"),
    "no upstream": ("upstream: {urls: []}", "upstream.urls: "),
    "a URL of another scheme": ("upstream: {urls: ['ftp://a']}", "'ftp://a': an upstream URL is http://HOST:PORT"),
    "a URL without a host": ("upstream: {urls: ['http://']}", "an upstream URL is http://HOST:PORT"),
    "a URL with a bad port": ("upstream: {urls: ['http://a:b']}", "upstream.urls: "),
    "a URL with credentials": ("upstream: {urls: ['http://u:p@a:1']}", "each client sends its own"),
    "a CA file that is not there": ("upstream: {ca_file: /nope.pem}", "upstream.ca_file: '/nope.pem': no such file"),
    "a CA file without a certificate": ("upstream: {ca_file: rerank.yml}", "holds no certificate"),
    "an address without a port": ("server: {bind: localhost}", "server.bind: 'localhost': give host:port"),
    "a header name with a space": ("headers: {switch: 'X Rerank'}", "headers.switch: 'X Rerank': not the name"),
    "an unknown variant in the split": ("experiment: {split: {b: 1}}", "experiment.split: 'b': name one of"),
    "a negative share": ("experiment: {split: {default: -1}}", "experiment.split.default: -1: "),
    "an unknown default variant": ("default_variant: b", "default_variant: 'b': name one of"),
    "an unknown model": ("variants: {default: {model: m}}", "variants.default.model: 'm': no such model"),
    "a model that is not there": ("models: {m: {source: /nope}}", "models.m.source: '/nope': no model there"),
    "a model without a source": ("models: {m: {}}", "models.m.source: 'dict': is required"),
    "a reserved variant name": ("variants: {default: {}, 'Off': {}}", "variants: 'Off': this name is reserved"),
    "a variant name that YAML reads as a truth value": ("variants: {on: {}}", "line 1, column 12: the key 'on'"),
    "a variant defined twice": ("variants:\n  a: {}\n  a: {}", "line 3, column 3: the key 'a' is there twice"),
    "an open bracket in a template": (
        "indices: {products: {template: '{title}[ | {brand}'}}",
        "indices.products.template: '{title}[ | {brand}': ",
    ),
    "a template without a field": ("indices: {products: {template: title}}", "names no field"),
    "broken YAML": ("upstream: [", "not valid YAML at line 1"),
    "a list at the top": ("- upstream", "must hold keys such as upstream:"),
    "bytes that are no text": ("\x00", "not valid YAML"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_settings_are_told_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, told = BROKEN[name]
    Path("rerank.yml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_settings(Path("rerank.yml"))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_empty_file_means_the_defaults(tmp_path):
    (tmp_path / "rerank.yml").write_text("# nothing yet\n")
    assert load_settings(tmp_path / "rerank.yml").model_dump() == load_settings(None).model_dump()


def test_command_line_wins_over_environment_over_file(tmp_path, monkeypatch):
    (tmp_path / "rerank.yml").write_text("server: {workers: 2, threads: 2}\nbudget_ms: 2\n")
    monkeypatch.setenv("ES_RERANK_SERVER__THREADS", "3")
    monkeypatch.setenv("ES_RERANK_BUDGET_MS", "3")
    settings = load_settings(tmp_path / "rerank.yml", server={"bind": "localhost:4"}, budget_ms=4)
    assert (settings.server.workers, settings.server.threads, settings.server.bind) == (2, 3, "localhost:4")
    assert settings.budget_ms == 4


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "middleware", "serve", *arguments]
    return subprocess.run(
        command, cwd=REPO, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


def check_refused(done: subprocess.CompletedProcess[str], *told: str) -> None:
    assert done.returncode == 2
    assert done.stderr.startswith("es-rerank: ")
    assert len(done.stderr.splitlines()) == 1
    assert not [part for part in told if part not in done.stderr], done.stderr


def test_the_command_exits_with_2_and_one_line(tmp_path):
    path = tmp_path / "rerank.yml"
    path.write_text(json.dumps({"models": {"m": {"source": "/nope"}}}))
    check_refused(serve("--config", str(path)), "models.m.source", "/nope", "give a folder")


def test_a_missing_file_is_named():
    check_refused(serve("--config", "/nope/rerank.yml"), "--config", "/nope/rerank.yml", "no such file")


def test_a_wrong_environment_variable_is_named():
    check_refused(serve(ES_RERANK_BUDGET_MS="soon"), "budget_ms", "soon")


def test_a_port_that_is_taken_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        check_refused(serve("--bind", bind), "server.bind", bind, "in use", "--bind")


def test_an_address_that_is_not_ours_is_told_in_one_line():
    check_refused(serve("--bind", "192.0.2.1:9280"), "server.bind", "192.0.2.1:9280", "--bind")
