"""`es-rerank events`: bring in the behaviour that a shop has recorded before there was a proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from middleware.catalog.commands import ApiKey, Password, Patience, User
from middleware.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from middleware.catalog.events_import import ImportReport
    from middleware.catalog.events_import import Progress as Step

_MOST_SHOWN = 12
app = typer.Typer(no_args_is_help=True, help="Behaviour: what users saw, clicked and bought.")


@app.callback()
def _group() -> None:
    """Keeps `import` a command of its own, however few there are."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="UBI's NDJSON (also _bulk or index<TAB>json) or CSV; also .gz, .zst.")],
    config: Annotated[Path | None, typer.Option(help="rerank.yml: the cluster, the indices, the key of users.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="UBI's name of a CSV column, e.g. client_id=user; repeat for more."),
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="THEIRS=OURS", help="Import this action_name, too, e.g. order=purchase; repeat for more."),
    ] = None,
    object_id_field: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[=FIELD]",
            help="Events name products by NAME, which is FIELD of the products' index; they are stored by _id.",
        ),
    ] = None,
    most_searches: Annotated[int, typer.Option(min=1, help="A client with more searches is a bot.")] = 1000,
    most_acts: Annotated[int, typer.Option(min=1, help="So is one who acts on more objects of one search.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count; write nothing.")] = False,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Import a log: without noise and bots, users by their hash alone, and nothing twice.

    Read twice: bots are found first. Run it again after it was killed, or with more of the same log: every document
    has an id of its own (event_id, the action line's _id, else a hash of its content). Examples:

    es-rerank events import ubi_log.tsv.gz --config rerank.yml --object-id-field primary_ean=ean

    es-rerank events import orders.csv --action order=purchase --column client_id=customer --column object_id=sku ...
    """
    from middleware.behaviour.event_check import EventCheck
    from middleware.catalog.client import Access, connect
    from middleware.catalog.events_import import Job, import_events
    from middleware.catalog.events_noise import Rules
    from middleware.catalog.events_read import EVENTS, QUERIES, Log
    from middleware.config import load_settings
    from middleware.personalization.identity import open_identity

    settings = load_settings(config)
    name, _, field = (object_id_field or "").partition("=")
    rules = Rules(_actions(action or ()), name or None, most_searches, most_acts)
    hash_name = open_identity(settings.privacy).hash
    job = Job(
        log=Log(file, _pairs("--column", column or ())),
        rules=rules,
        indices={QUERIES: settings.events.queries_index, EVENTS: settings.profiles.events_index},
        hash_name=hash_name,
        check=EventCheck(EVENTS, hash_name, settings.events.max_future_s, settings.events.max_event_bytes),
        products=(settings.profiles.products_index, field or name) if name else None,
        dry_run=dry_run,
        patience_s=patience,
    )
    client = connect(settings.upstream.urls[0], Access(user, password, api_key).trusting(settings.upstream))
    console = Console(stderr=True)
    with _bar(console) as show:
        report = import_events(client, job, show)
    _print(Console(), report, dry_run=dry_run)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, _, value = each.partition("=")
        if not name or not value:
            raise ConfigError(option, each, "want NAME=VALUE")
        pairs[name] = value
    return pairs


def _actions(given: Sequence[str]) -> Mapping[str, str]:
    from middleware.catalog.events_noise import ACTIONS

    return {**ACTIONS, **_pairs("--action", [each if "=" in each else f"{each}={each}" for each in given])}


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Step], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[kept]:,} kept"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, kept=0)

        def show(step: Step) -> None:
            if step.note:
                console.print(f"waiting: {step.note}", style="yellow", markup=False)
            else:
                bar.update(task, description=step.phase, completed=step.done, total=step.total, kept=step.kept)

        yield show


def _print(console: Console, report: ImportReport, *, dry_run: bool) -> None:
    did = "would be imported" if dry_run else "imported"
    table = Table(title=f"{report.read:,} records, {sum(report.kept.values()):,} {did}", title_justify="left")
    table.add_column("kept or left out, and why")
    table.add_column("records", justify="right")
    for name, count in sorted(report.kept.items()):
        table.add_row(name, f"{count:,}")
    table.add_section()
    for name, count in sorted(report.dropped.items()):
        table.add_row(f"- {name}", f"{count:,}", style="dim")
    console.print(table)
    if report.new is not None:
        again = sum(report.kept.values()) - report.new
        console.print(f"{report.new:,} new, {again:,} were there already; {report.seconds:.1f} s", highlight=False)
    if report.noise:
        actions = sorted(report.noise.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SHOWN]
        shown = ", ".join(f"{name} {count:,}" for name, count in actions)
        console.print(
            f"Actions that say nothing: {shown}. --action imports one of them, too.", highlight=False, markup=False
        )
