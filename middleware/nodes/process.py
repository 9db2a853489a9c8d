"""The node's Java process: its command line, its start as another user, its watcher and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from middleware.errors import CommandError
from middleware.nodes.account import Account
from middleware.nodes.engines import Engine
from middleware.nodes.provision import NodeFolders
from middleware.nodes.records import Record, identify_process, is_alive
from middleware.nodes.supply import Java

_TERMINATE_TIMEOUT_S = 30.0
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.1
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ")

_FLAGS = (
    "-Xss1m",
    "-XX:+UseG1GC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Djna.nosys=true",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dlog4j2.formatMsgNoLookups=true",
)

# a node of a test session ends before the optimising compiler pays off: half the processor time until it serves
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)

_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Nodes that are our own children, by pid: they must be waited for, or they stay behind as zombies."""

_WATCHERS: dict[int, subprocess.Popen[bytes]] = {}
"""The watchers of our nodes, by the node's pid."""


def command_line(engine: Engine, java: Java, home: Path, folders: NodeFolders, heap: str) -> list[str]:
    """The Java command of the distribution's start script, for a small heap."""
    prefix = engine.property_prefix
    return [
        str(java.executable),
        f"-Xms{heap}",
        f"-Xmx{heap}",
        f"-XX:ErrorFile={folders.logs / 'crash.log'}",
        f"-Djava.io.tmpdir={folders.tmp}",
        *_FLAGS,
        *(_SHORT_LIVED if folders.are_temporary else ()),
        *engine.jvm_flags,
        f"-D{prefix}.path.home={home}",
        f"-D{prefix}.path.conf={folders.config}",
        "-cp",
        str(home / "lib" / "*"),
        engine.main_class,
    ]


def spawn(command: list[str], engine: Engine, folders: NodeFolders, account: Account) -> tuple[int, str]:
    """Start the process in a session of its own, as `account`; returns its pid and what identifies it beyond that."""
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    for name in (f"{engine.environment_prefix}_TMPDIR", "LIBFFI_TMPDIR", "TMPDIR"):
        environment[name] = str(folders.tmp)
    with (folders.logs / "console.log").open("wb") as console:
        try:
            process = subprocess.Popen(
                command,
                cwd=folders.run,
                env=environment | {"HOME": str(folders.run)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account.switch else None,
                group=account.gid if account.switch else None,
                extra_groups=[] if account.switch else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandError(f"Java cannot be started as user {account.name!r}: {error}") from error
    _CHILDREN[process.pid] = process
    return process.pid, identify_process(process.pid) or "ended at once"


def watch(port: int, pid: int) -> None:
    """Have the node stopped when we end, however that happens: a shell's standard input closes as we die."""
    stop = f"from middleware.nodes.launch import stop_node; stop_node({port}, pid={pid})"
    _WATCHERS[pid] = subprocess.Popen(
        ["/bin/sh", "-c", 'read _ || exec "$0" -c "$1"', sys.executable, stop],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )


def unwatch(pid: int) -> None:
    """Send the watcher of node `pid` home, if it has one of ours."""
    watcher = _WATCHERS.pop(pid, None)
    if watcher is not None:
        with contextlib.suppress(BrokenPipeError):
            watcher.communicate(b"\n")


def end_process(record: Record) -> None:
    """SIGTERM, wait, SIGKILL, wait; a pid that meanwhile belongs to another process is left alone.

    Raises CommandError when the process may not be signalled or outlives even SIGKILL.
    """
    for number, patience_s in ((signal.SIGTERM, _TERMINATE_TIMEOUT_S), (signal.SIGKILL, _KILL_TIMEOUT_S)):
        if _is_running(record):
            try:
                os.kill(record.pid, number)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                raise CommandError(f"node on port {record.port}: pid {record.pid} belongs to another user") from error
            deadline = time.monotonic() + patience_s
            while _is_running(record) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
    if _is_running(record):
        raise CommandError(f"node on port {record.port}: pid {record.pid} does not end, even by SIGKILL")
    _CHILDREN.pop(record.pid, None)


def _is_running(record: Record) -> bool:
    child = _CHILDREN.get(record.pid)
    if child is not None and child.poll() is not None:
        return False
    return is_alive(record)
