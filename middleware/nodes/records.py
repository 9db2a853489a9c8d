"""What is written down about running nodes, so that another process can find and stop them, and never a stranger."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Record:
    """One started node. `started` names the process beyond its pid, which the system gives to others later."""

    engine: str
    version: str
    port: int
    pid: int
    started: str
    run_dir: str
    data_dir: str
    temporary: bool


def identify_process(pid: int) -> str | None:
    """When process `pid` started, in whatever words the system has for it; None when it runs no more."""
    if Path("/proc/self/stat").exists():
        return _identify_by_proc(pid)
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _identify_by_proc(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    state, *others = text.rpartition(")")[2].split()  # the command before it may hold blanks and brackets
    return None if state in "ZX" else f"{boot}/{others[18]}"


def is_alive(record: Record) -> bool:
    """Whether the very process of `record` still runs."""
    return identify_process(record.pid) == record.started


def write_record(folder: Path, record: Record) -> None:
    """Keep `record` as <folder>/<port>.json, all at once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.port}.json"
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
    draft.replace(path)


def read_record(folder: Path, port: int) -> Record | None:
    """The record of the node on `port`; None when there is none that can be read."""
    try:
        kept = json.loads((folder / f"{port}.json").read_text(encoding="utf-8"))
        return Record(**{field.name: kept[field.name] for field in fields(Record)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_records(folder: Path) -> Iterator[Record]:
    """All records, in the order of their ports."""
    ports = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal())
    yield from (record for port in ports if (record := read_record(folder, port)) is not None)


def drop_record(folder: Path, port: int) -> None:
    """Forget the node on `port`."""
    (folder / f"{port}.json").unlink(missing_ok=True)
