"""Waiting until a started node serves, and saying from its logs why it did not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

from middleware.errors import CommandError
from middleware.nodes.records import Record, is_alive

_POLL_S = 0.25
_SHOWN_LINES = 12
_TELLING = re.compile(r"\[ERROR\]|\[FATAL\]|Exception|Error:|^Caused by|Could not|cannot|failed")
_IDLE = re.compile(r"^\s+at |\[(INFO|WARN|DEBUG)\s*\]|refer to the log at|^\s*$")


def wait_until_healthy(record: Record, timeout_s: float, *, quiet: bool = False) -> None:
    """Return when the node's health is yellow or green; CommandError with the last telling log lines otherwise."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    with console.status(f"Starting {record.engine} {record.version} on port {record.port}"):
        deadline = time.monotonic() + timeout_s
        while ask_health(record.port) not in ("yellow", "green"):
            if not is_alive(record):
                raise CommandError(_explain(record, "ended while starting"))
            if time.monotonic() > deadline:
                raise CommandError(_explain(record, f"is not healthy after {timeout_s:.0f} s"))
            time.sleep(_POLL_S)


def ask_health(port: int) -> str | None:
    """What the node on `port` says of its health (green, yellow, red); None when it does not answer."""
    import urllib3

    address = f"http://127.0.0.1:{port}/_cluster/health?wait_for_status=yellow&timeout=1s"
    with urllib3.PoolManager() as pool:  # knows no proxy, unlike urllib
        try:
            response = pool.request("GET", address, timeout=5, retries=False)
            return str(json.loads(response.data)["status"])
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
            return None


def _explain(record: Record, what: str) -> str:
    logs = Path(record.run_dir) / "logs"
    lines = [line for name in ("console.log", "node.log") for line in _read_lines(logs / name)]
    shown = "\n".join(f"  {line[:300]}" for line in pick_telling(lines))
    return f"{record.engine} {record.version} on port {record.port} {what}; its last log lines:\n{shown or '  (none)'}"


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def pick_telling(lines: Iterable[str], n_shown: int = _SHOWN_LINES) -> list[str]:
    """The last lines that tell of trouble, each once; where none does, simply the last."""
    everything = list(dict.fromkeys(line.rstrip() for line in lines if line.strip()))
    telling = [line for line in everything if _TELLING.search(line) and not _IDLE.search(line)]
    return (telling or everything)[-n_shown:]
