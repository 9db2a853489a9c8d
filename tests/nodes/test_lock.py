"""The lock: every jar named once, hashed, and verified."""

from __future__ import annotations

import hashlib
import json

import pytest

from middleware.errors import CommandError
from middleware.nodes.engines import ELASTICSEARCH, ENGINES, Engine
from middleware.nodes.lock import Jar, read_lock, verify_jar


def make_jar(content: bytes = b"jar", coordinate: str = "org.example:thing:1.0", folder: str = "lib") -> Jar:
    return Jar(coordinate, folder, hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_the_lock_has_the_server_and_every_module_of_the_engine(engine: Engine) -> None:
    jars = read_lock(engine)
    found = {(jar.folder, jar.coordinate) for jar in jars}
    assert ("lib", f"{engine.group}:{engine.name}:{engine.version}") in found
    for module in engine.modules:
        assert (f"modules/{module.name}", f"{engine.group}.plugin:{module.artifact}:{engine.version}") in found


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_no_module_repeats_a_jar_of_the_server(engine: Engine) -> None:
    jars = read_lock(engine)
    libraries = {jar.file_name for jar in jars if jar.folder == "lib"}
    assert not [jar for jar in jars if jar.folder != "lib" and jar.file_name in libraries]
    assert len({(jar.folder, jar.file_name) for jar in jars}) == len(jars)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_every_locked_hash_is_a_sha_256(engine: Engine) -> None:
    for jar in read_lock(engine):
        assert len(jar.sha256) == 64
        assert int(jar.sha256, 16) > 0
        assert jar.n_bytes > 0


def test_a_jar_with_the_locked_bytes_passes_and_any_other_is_named_in_one_line(tmp_path) -> None:
    path = tmp_path / "thing-1.0.jar"
    path.write_bytes(b"jar")
    verify_jar(make_jar(), path)
    path.write_bytes(b"jaR")
    with pytest.raises(
        CommandError, match=r"org\.example:thing:1\.0: SHA-256 is [0-9a-f]{64}, the lock says"
    ) as caught:
        verify_jar(make_jar(), path)
    assert "\n" not in str(caught.value)


def test_the_file_name_has_the_classifier_last() -> None:
    assert make_jar(coordinate="g:a:1.0:linux").file_name == "a-1.0-linux.jar"
    assert make_jar(coordinate="g:a:1.0").file_name == "a-1.0.jar"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "7.17.29", "jars": [{"coordinate": "g:a:1"}]}'])
def test_a_broken_lock_is_a_clear_error(tmp_path, text: str) -> None:
    (tmp_path / "elasticsearch.json").write_text(text)
    with pytest.raises(CommandError, match="not a usable lock"):
        read_lock(ELASTICSEARCH, tmp_path)


def test_a_lock_of_another_version_is_refused(tmp_path) -> None:
    (tmp_path / "elasticsearch.json").write_text(json.dumps({"version": "7.0.0", "jars": []}))
    with pytest.raises(CommandError, match=r"locks version 7\.0\.0, not"):
        read_lock(ELASTICSEARCH, tmp_path)
