"""The command teaches, and turns our errors into one line and an exit status."""

from __future__ import annotations

import subprocess
import sys

import pytest

from middleware import __version__


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "middleware", *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "taught"),
    [
        ((), ["serve", "demo", "bootstrap", "node", "models", "check-config"]),
        (("serve",), ["--upstream", "--config", "--bind", "--workers", "--threads"]),
        (("node", "start"), ["--engine", "--port", "--data", "--heap"]),
        (("bootstrap", "products"), ["--input", "--alias", "--language", "--mapping", "--dry-run", "--rollback"]),
        (("demo",), ["--once", "--model"]),
    ],
)
def test_help_names_what_there_is(arguments, taught):
    done = run(*arguments, "--help")
    assert done.returncode == 0, done.stderr
    for word in taught:
        assert word in done.stdout


def test_the_version_is_the_packages():
    assert run("--version").stdout.strip() == f"es-rerank {__version__}"


def test_a_broken_configuration_is_one_line_and_exit_2(tmp_path):
    config = tmp_path / "rerank.yml"
    config.write_text("variants: {b: {windw: 10}}")
    done = run("check-config", str(config))
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "variants.b.windw" in done.stderr


def test_a_sound_configuration_is_printed_whole(tmp_path):
    config = tmp_path / "rerank.yml"
    config.write_text("indices: {shop: {template: '{name}'}}")
    done = run("check-config", str(config))
    assert done.returncode == 0, done.stderr
    assert '"template": "{name}"' in done.stdout
