"""Launch: start a node and wait until it serves, stop it cleanly, from this process or, by its record, from another."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from middleware.config import cache_dir
from middleware.errors import CommandError, ConfigError
from middleware.nodes.account import Account, choose_account, find_working_root
from middleware.nodes.engines import Engine, find_engine
from middleware.nodes.health import wait_until_healthy
from middleware.nodes.lock import read_lock
from middleware.nodes.process import command_line, end_process, spawn, unwatch, watch
from middleware.nodes.provision import Peers, configure, lay_out, place_java, prepare_folders
from middleware.nodes.records import Record, drop_record, is_alive, read_record, read_records, write_record
from middleware.nodes.supply import Java, find_java, hold_lock, supply_jars

DEFAULT_PORT = 9200
_HOST = "127.0.0.1"
START_TIMEOUT_S = 180.0


class StoppedAtTheEnd:
    """What runs until `stop`, which the end of a `with` block calls."""

    __slots__ = ()

    def stop(self) -> None:
        """End it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(frozen=True, slots=True)
class Node(StoppedAtTheEnd):
    """A running node; as a context manager it is stopped at the end."""

    engine: str
    version: str
    port: int
    pid: int
    data_dir: Path
    temporary: bool

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def stop(self) -> None:
        """Stop the node; without a word when it runs no more."""
        stop_node(self.port, pid=self.pid)


def start_node(
    engine: str = "elasticsearch",
    port: int = 0,
    data_dir: Path | None = None,
    heap: str = "512m",
    *,
    java_home: Path | None = None,
    timeout_s: float = START_TIMEOUT_S,
    die_with_us: bool = False,
    quiet: bool = False,
) -> Node:
    """Fetch what is missing, start one node on 127.0.0.1 and return when its health is yellow or green.

    `port` 0 takes a free one; `data_dir` None takes a folder that goes when the node is stopped (and spares Java's
    optimising compiler, for a quick start); `die_with_us` stops the node when this process ends, however it ends.
    Raises CommandError or ConfigError, with the remedy.
    """
    installation = install(engine, java_home, quiet=quiet)
    record = launch_node(installation, port, data_dir, heap, die_with_us=die_with_us)
    _wait_or_stop(record, timeout_s, quiet)
    return as_node(record)


@dataclass(frozen=True, slots=True)
class Installation:
    """An engine laid out on this machine, and who runs it under which root folder."""

    engine: Engine
    java: Java
    home: Path
    root: Path
    account: Account


def install(engine: str, java_home: Path | None = None, *, quiet: bool = False) -> Installation:
    """Fetch what is missing of an engine; what nodes that ended left behind goes. Raises as `start_node` does."""
    kind = find_engine(engine)
    account = choose_account()
    root = find_working_root(cache_dir(), account)
    _forget_the_dead(root)
    java = place_java(find_java(kind, java_home), root, account)
    home = lay_out(kind, supply_jars(read_lock(kind), cache_dir() / "nodes" / "jars", quiet=quiet), root)
    return Installation(kind, java, home, root, account)


def launch_node(
    installed: Installation,
    port: int,
    data_dir: Path | None,
    heap: str,
    *,
    die_with_us: bool = False,
    peers: Peers | None = None,
) -> Record:
    """Start one node without waiting for it, alone or as a member of a cluster; `port` and so on as in `start_node`."""
    check_heap(heap)
    engine, account, state = installed.engine, installed.account, _state(installed.root)
    with hold_lock(state / ".lock"):
        port = port or find_free_port([record.port for record in read_records(state)])
        check_port(port, state)
        folders = prepare_folders(installed.root / "run" / str(port), data_dir, account)
        configure(engine, folders, port, account, peers)
        command = command_line(engine, installed.java, installed.home, folders, heap)
        pid, started = spawn(command, engine, folders, account)
        run, data, temporary = str(folders.run), str(folders.data), folders.are_temporary
        record = Record(engine.name, engine.version, port, pid, started, run, data, temporary)
        write_record(state, record)
    if die_with_us:
        watch(port, record.pid)
    return record


def _state(root: Path) -> Path:
    return root / "state"


def as_node(record: Record) -> Node:
    """What callers see of a node that is written down."""
    return Node(record.engine, record.version, record.port, record.pid, Path(record.data_dir), record.temporary)


def check_heap(heap: str) -> None:
    """Raise ConfigError unless `heap` is a size that Java takes."""
    if not re.fullmatch(r"[1-9]\d*[mgMG]", heap):
        raise ConfigError("--heap", heap, "give a size such as 512m or 2g")


def find_free_port(spoken_for: Collection[int] = ()) -> int:
    """A port of this machine that nobody listens on now, and none of those `spoken_for`."""
    while True:
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in spoken_for:
            return port


def check_port(port: int, state: Path) -> None:
    """Raise CommandError when a node of ours or anybody else holds `port`."""
    record = read_record(state, port)
    if record is not None and is_alive(record):
        raise CommandError(
            f"port {port}: {record.engine} {record.version} (pid {record.pid}) already runs there; stop it with "
            f"`es-rerank node stop --port {port}`, or give another --port"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise CommandError(
                f"port {port}: {error.strerror}: another program listens there; give another with --port"
            ) from error


def stop_node(port: int = DEFAULT_PORT, *, pid: int | None = None) -> Node | None:
    """Stop the node on `port` and say which it was; None when none of ours runs there (or not as `pid`).

    It need not be a child of this process. Its data folder stays, unless it was a temporary one.
    """
    root = find_working_root(cache_dir(), choose_account())
    record = read_record(_state(root), port)
    if record is None or (pid is not None and record.pid != pid):
        return None
    unwatch(record.pid)
    was_alive = is_alive(record)
    end_process(record)
    with hold_lock(_state(root) / ".lock"):
        if read_record(_state(root), port) == record:
            _forget(root, record)
    return as_node(record) if was_alive else None


def list_nodes() -> list[Node]:
    """The nodes of ours that run now, by port."""
    root = find_working_root(cache_dir(), choose_account())
    return [as_node(record) for record in read_records(_state(root)) if is_alive(record)]


def default_data_dir(engine: str, port: int) -> Path:
    """Where `node start` keeps the documents of the node on `port` from one start to the next."""
    root = find_working_root(cache_dir(), choose_account())
    return root / "data" / f"{engine}-{port}"


def _forget_the_dead(root: Path) -> None:
    with hold_lock(_state(root) / ".lock"):
        for record in list(read_records(_state(root))):
            if not is_alive(record):
                _forget(root, record)


def _forget(root: Path, record: Record) -> None:
    shutil.rmtree(record.run_dir, ignore_errors=True)
    drop_record(_state(root), record.port)


def _wait_or_stop(record: Record, timeout_s: float, quiet: bool) -> None:
    """Wait until the node is healthy; when it does not get so, or we are interrupted, leave nothing running."""
    try:
        wait_until_healthy(record, timeout_s, quiet=quiet)
    except BaseException:
        stop_node(record.port, pid=record.pid)
        raise
