"""`es-rerank profiles`: make all profiles from all behaviour, and look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from middleware.catalog.commands import ApiKey, Password, Patience, User
from middleware.errors import CommandError
from middleware.learning.step_bar import step_bar

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from middleware.config import Settings
    from middleware.learning.profiles.build import BuildReport
    from middleware.learning.profiles.keeper import ProfileKeeper
    from middleware.learning.profiles.picture import Picture
    from middleware.personalization.identity import Identity

app = typer.Typer(no_args_is_help=True, help="Profiles of users: made from all behaviour, and what is in them.")

Config = Annotated[Path, typer.Option(help="rerank.yml; its sections profiles, privacy and indices count.")]
PictureFile = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Draw the clusters: .html, .svg or .png.")
]
_TOP = 8
_POINTS = 2_000


@app.command()
def build(
    config: Config,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="UBI events, one JSON object a line (.gz, too), not the index.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For what is in the making; gone at the end. Default: cache.")
    ] = None,
    clusters: Annotated[
        int | None, typer.Option(min=2, help="How many; default: what the silhouette likes best.")
    ] = None,
    most_events: Annotated[int, typer.Option(min=1, help="Whoever has more events is a robot, and left out.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Equal seeds and events give equal clusters.")] = 0,
    picture: PictureFile = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Make every user's profile anew from all events, and the statistics of clusters for those who are new.

    Runs in bounded memory whatever the number of users; what is in the making lies on disk. After a kill the same
    command goes on (within a day). Between two runs searches add newer events to a stored profile by themselves, so
    once a night is enough; events that came late count from the next run on. Example:

    es-rerank profiles build --config rerank.yml --picture clusters.html
    """
    from middleware.catalog.bootstrap_patience import Patience as Wait
    from middleware.config import cache_dir
    from middleware.learning.profiles.build import BuildOptions, build_profiles
    from middleware.learning.profiles.picture import check_picture, write_picture
    from middleware.learning.profiles.products import vectors_of

    if picture is not None:
        check_picture(picture)
    console = Console(stderr=True)
    shop = _open(config, user, password, api_key)
    work = work or cache_dir() / "profiles" / shop.settings.profiles.index
    wait = Wait(patience, on_wait=lambda why: console.print(f"waiting: {why}", style="yellow", markup=False))
    with step_bar(console, "starting") as step:
        vectors = vectors_of(shop.settings)
        options = BuildOptions(events, most_events, clusters, seed)
        report = build_profiles(shop.client, shop.settings, shop.identity, vectors, work, options, step, wait)
    _show_report(report, console)
    if picture is not None:
        write_picture(_read_picture(shop.keeper), picture)
        typer.echo(f"drawn in {picture}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="USER", help="As the shop names them, or the hash.")],
    config: Config,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Show the stored profile of a user, as it stands now."""
    import time

    from middleware.personalization.documents import from_document
    from middleware.personalization.state import decayed

    shop = _open(config, user, password, api_key)
    hashed = shop.identity.hash(name)
    document = shop.keeper.get(hashed)
    if document is None:
        raise CommandError(f"{hashed} has no profile in {shop.keeper.index}; `es-rerank profiles build` makes them")
    state = decayed(from_document(document), shop.settings.profiles, time.time())
    table = Table("", "weight", "share", title=f"{hashed}: {state.events} events, cluster {state.cluster or 'none'}")
    for kind in ("brands", "categories", "attributes"):
        weights = getattr(state, kind)
        for each in sorted(weights, key=lambda each: (-weights[each], each))[:_TOP]:
            table.add_row(f"{kind}: {each}", f"{weights[each]:.2f}", f"{weights[each] / state.weight:.0%}")
    Console().print(table)
    typer.echo(f"weight {state.weight:.2f}, {len(state.bought)} products bought, vector {state.vector_model or 'none'}")


@app.command("clusters")
def show_clusters(
    config: Config,
    picture: PictureFile = None,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Show the clusters of users and what they like; with --picture draw them."""
    from middleware.learning.profiles.picture import check_picture, label, write_picture
    from middleware.personalization.documents import EVERYBODY

    if picture is not None:
        check_picture(picture)
    found = _read_picture(_open(config, user, password, api_key).keeper)
    if not found.statistics:
        raise CommandError("there are no statistics of users; `es-rerank profiles build` makes them")
    table = Table("users", "cluster", "brands", "categories")
    for each in [*found.clusters, *(each for each in found.statistics if each.name == EVERYBODY)]:
        brands, categories = (", ".join(list(names)[:3]) for names in (each.brand_affinity, each.category_affinity))
        table.add_row(f"{each.users:,}", label(each), brands, categories)
    Console().print(table)
    if picture is not None:
        write_picture(found, picture)
        typer.echo(f"drawn in {picture}")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the options name."""

    client: Elasticsearch
    settings: Settings
    identity: Identity
    keeper: ProfileKeeper


def _open(config: Path, user: str | None, password: str | None, api_key: str | None) -> _Opened:
    """Raises ConfigError, or CommandError where nobody answers."""
    from middleware.catalog.bootstrap_patience import Patience as Wait
    from middleware.catalog.client import Access, connect, describe_cluster
    from middleware.config import load_settings
    from middleware.learning.profiles.keeper import ProfileKeeper
    from middleware.personalization.identity import open_identity

    settings = load_settings(config)
    client = connect(settings.upstream.urls[0], Access(user, password, api_key).trusting(settings.upstream))
    describe_cluster(client)
    keeper = ProfileKeeper(client, settings.profiles.index, Wait(0))
    return _Opened(client, settings, open_identity(settings.privacy), keeper)


def _read_picture(keeper: ProfileKeeper) -> Picture:
    import numpy as np

    from middleware.learning.profiles.picture import Picture
    from middleware.personalization.documents import statistics_from_document, unpack_vector

    documents = keeper.statistics()
    users = [each for each in keeper.some_users(_POINTS) if each.get("vector")]
    vectors = np.stack([unpack_vector(each["vector"]) for each in users]) if users else np.zeros((0, 0), np.float32)
    tried = documents[0]["state"].get("silhouettes", {}) if documents else {}
    return Picture(
        [statistics_from_document(document) for document in documents],
        vectors,
        [str(each["cluster"]) for each in users],
        {int(k): float(value) for k, value in tried.items()},
    )


def _show_report(report: BuildReport, console: Console) -> None:
    if report.resumed:
        console.print("went on with a build that was broken off", style="yellow")
    typer.echo(
        f"{report.events:,} events of {report.users:,} users on {report.products:,} products, "
        f"{report.products_with_vector:,} of them with a vector; {report.removed:,} older documents removed; "
        f"{report.seconds:.0f} s, {report.disk_bytes / 1e6:,.0f} MB of disk in between"
    )
    for reason, count in sorted(report.dropped.items()):
        console.print(f"left out: {count:,} {reason}", style="yellow", highlight=False)
    named = [f"{each.name} ({each.users:,})" for each in report.statistics]
    typer.echo(f"statistics of {', '.join(named) or 'nobody: there are too few users'}")
    if not report.products_with_vector:
        console.print("no product has a vector, so there are no clusters: `es-rerank vectors build`", style="yellow")
    for k, value in sorted(report.silhouettes.items()):
        console.print(f"k = {k}: mean silhouette {value:.3f}", highlight=False)
