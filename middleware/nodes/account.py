"""The account a node runs as: ours, or an unprivileged one when we are root, since both engines refuse root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from middleware.errors import CommandError

_UNPRIVILEGED = ("nobody", "daemon")


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run a node as; `switch` is set when that is not who we are."""

    name: str
    uid: int
    gid: int
    switch: bool


def choose_account() -> Account:
    """Ourselves, or when we are root the first unprivileged user there is."""
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise CommandError("a node does not run as root, and there is no user 'nobody' here: run the command as a user")


def find_barrier(path: Path, account: Account) -> Path | None:
    """What on the way to `path`, itself included, `account` may not enter (a file: not read); None: it gets there."""
    if not account.switch:
        return None
    full = path.resolve()
    for folder in [*reversed(full.parents), full]:
        if not folder.exists():
            return None
        if not _may(folder, account):
            return folder
    return None


def _may(path: Path, account: Account) -> bool:
    found = path.stat()
    bits = 0o1 if stat.S_ISDIR(found.st_mode) else 0o4
    if found.st_uid == account.uid:
        bits <<= 6
    elif found.st_gid == account.gid:
        bits <<= 3
    return stat.S_IMODE(found.st_mode) & bits == bits


def give(path: Path, account: Account) -> None:
    """Make `path`, and all that lies in it, the account's own."""
    if account.switch:
        for folder, _, files in os.walk(path):
            for entry in [folder, *(os.path.join(folder, name) for name in files)]:
                os.chown(entry, account.uid, account.gid, follow_symlinks=False)


def find_working_root(cache: Path, account: Account) -> Path:
    """The folder for what a running node reads and writes: in the cache, or where `account` cannot get there, /var/tmp.

    Raises CommandError when that place in /var/tmp belongs to somebody else.
    """
    root = cache / "nodes"
    root.mkdir(parents=True, exist_ok=True)
    if find_barrier(root, account) is None:
        return root
    shared = Path("/var/tmp") / f"es-rerank-{os.geteuid()}"
    shared.mkdir(exist_ok=True)
    found = shared.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise CommandError(f"{shared}: is not ours; remove it, or set ES_RERANK_CACHE to a folder all users may enter")
    for folder in (shared, shared / "run", shared / "data"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    return shared
