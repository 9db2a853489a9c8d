"""`es-rerank privacy`: see, erase and outdate what is kept of users, from a terminal or from cron."""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from middleware.catalog.commands import ApiKey, Password, User
from middleware.errors import ConfigError

if TYPE_CHECKING:
    from middleware.config import Settings
    from middleware.privacy.archive import Archive
    from middleware.privacy.documents import Person
    from middleware.privacy.keeping import Keeping

app = typer.Typer(no_args_is_help=True, help="What is kept of users: show it, erase it, remove what is too old.")

Config = Annotated[Path, typer.Option(help="rerank.yml: the cluster, the indices, `privacy` with key and retention.")]
Name = Annotated[str, typer.Argument(metavar="USER", help="As the shop names this user, or our hash (u1.…).")]


@app.command("purge")
def purge_old(
    config: Config,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; remove nothing.")] = False,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Remove events, queries, exposures and profiles older than privacy.retention_days, and what came in late.

    Late is what another host still held when its user was erased. Killed, it goes on when it is run again. For cron,
    each night:

    17 3 * * *  ES_RERANK_API_KEY=… es-rerank privacy purge --config /etc/rerank.yml
    """
    from middleware.behaviour.dead_letters import DeadLetters
    from middleware.behaviour.sink import spool_root
    from middleware.privacy.retention import purge

    chosen = _open(config, user, password, api_key)
    counts: dict[str, int] = {}
    with _make_bar() as bar:
        task = bar.add_task("", total=None)

        def show(what: str, more: int) -> None:
            counts[what] = counts.get(what, 0) + more
            bar.update(task, description=f"{what}: {counts[what]}")

        done = purge(chosen.archive, chosen.settings, time.time(), dry_run=dry_run, progress=show)
    if not dry_run:
        letters = DeadLetters(spool_root(chosen.settings), chosen.settings.events.dead_letters_max_bytes)
        oldest = datetime.now(UTC).date() - timedelta(days=chosen.settings.privacy.retention_days)
        done["days of refused events on this host"] = letters.purge(oldest)
    for what, count in done.items():
        typer.echo(f"{count} {what} {'would go' if dry_run else 'removed'}")


@app.command()
def export(name: Name, config: Config, user: User = None, password: Password = None, api_key: ApiKey = None) -> None:
    """Write everything that is kept of a user to stdout: one JSON document a line, with its kind, index and id.

    es-rerank privacy export anna --config rerank.yml > anna.ndjson
    """
    from middleware.privacy.export import export_lines

    chosen = _open(config, user, password, api_key)
    count = 0
    for line in export_lines(chosen.archive, chosen.settings, chosen.find(name), chosen.keeping):
        typer.echo(json.dumps(line, ensure_ascii=False))
        count += 1
    typer.echo(f"{count} documents", err=True)


@app.command("erase")
def erase_user(
    name: Name,
    config: Config,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Erase everything that is kept of a user, and keep by hash only that this was done.

    Servers that run forget within a minute; `DELETE /_rerank/profiles/USER` has the one that answers forget at once.
    Run it on each host whose events may wait for the cluster, or let `purge` remove what comes late.
    """
    from middleware.privacy.erasure import erase

    chosen = _open(config, user, password, api_key)
    person = chosen.find(name)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Erase all that is kept of {name}?")):
        raise typer.Exit(1)
    erasure = erase(chosen.archive, chosen.settings, person, chosen.keeping)
    for where, count in {**erasure.documents, **erasure.records}.items():
        typer.echo(f"{count} erased from {where}")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the options name."""

    settings: Settings
    archive: Archive
    keeping: Keeping

    def find(self, name: str) -> Person:
        from middleware.personalization.identity import open_identity
        from middleware.privacy.documents import find_person

        if not name.strip():
            raise ConfigError("USER", name, "give the name of a user")
        return find_person(name, open_identity(self.settings.privacy))


def _open(config: Path, user: str | None, password: str | None, api_key: str | None) -> _Chosen:
    from middleware.behaviour.sink import open_sink
    from middleware.config import load_settings
    from middleware.observability import Metrics
    from middleware.privacy.archive import Archive
    from middleware.privacy.keeping import Keeping
    from middleware.upstream import Upstream

    settings = load_settings(config)
    upstream = Upstream(settings.upstream)
    archive = Archive(upstream, _authorization(user, password, api_key))
    return _Chosen(settings, archive, Keeping({"spool": open_sink(settings, upstream, Metrics())}))


def _authorization(user: str | None, password: str | None, api_key: str | None) -> dict[str, str]:
    if api_key and user:
        raise ConfigError("--api-key", "...", "give an API key or a user, not both")
    if api_key:
        return {"Authorization": f"ApiKey {api_key}"}
    if user:
        pair = f"{user}:{password or ''}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    return {}


def _make_bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
