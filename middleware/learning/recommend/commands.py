"""`es-rerank recommend`: make what recommendations are cut from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from middleware.catalog.commands import ApiKey, Password, Patience, User
from middleware.errors import ConfigError

if TYPE_CHECKING:
    from middleware.config import Settings
    from middleware.learning.recommend.build import BuildReport, Shop

app = typer.Typer(no_args_is_help=True, help="Recommendations: products bought together, and whose text is whose.")


@app.callback()
def _recommend() -> None:
    """A command of its own for each thing to do, even while there is one."""


@app.command()
def build(
    config: Annotated[Path, typer.Option(help="rerank.yml; `recommend`, `profiles` and `privacy` count.")],
    index: Annotated[
        str | None, typer.Option(help="Index or alias with the products; default: profiles.products_index.")
    ] = None,
    patience: Patience = 120.0,
    user: User = None,
    password: Password = None,
    api_key: ApiKey = None,
) -> None:
    """Count which products are bought together, and note under which key each product's vector lies.

    Reads products and events, writes es-rerank-recommend-NAME; run it again now and then, after `es-rerank vectors
    build`. Pairs of fewer users than `privacy.least_users` are not kept. Example:

    es-rerank recommend build --config rerank.yml
    """
    from middleware.catalog.client import Access, connect, describe_cluster
    from middleware.config import load_settings
    from middleware.learning.recommend.build import build_recommendations
    from middleware.personalization.identity import open_identity

    settings = load_settings(config)
    client = connect(settings.upstream.urls[0], Access(user, password, api_key).trusting(settings.upstream))
    describe_cluster(client)
    shop = _open_shop(settings, index)
    with Console(stderr=True).status("products read") as status:

        def show(step: str, done: int) -> None:
            status.update(f"{step}: {done}")

        report = build_recommendations(client, shop, open_identity(settings.privacy), show, patience_s=patience)
    _show_report(report, shop)


def _open_shop(settings: Settings, index: str | None) -> Shop:
    """Raises ConfigError, or ModelUnavailable where the encoder cannot be loaded."""
    from middleware.catalog.product_vectors import TextSource
    from middleware.learning.recommend.build import Shop
    from middleware.recommend.index import recommend_index_name
    from middleware.rerank.bi_encoder import load_chosen
    from middleware.rerank.vector_reader import choice_of
    from middleware.search.document import parse_template
    from middleware.search.sections import find_sections

    index = index or settings.profiles.products_index
    sections = find_sections((index,), settings.indices)
    if sections is None:
        raise ConfigError("indices", index, "no section covers that index; name another with --index")
    name, section = sections.candidates[0]
    vectors = section.vectors
    return Shop(
        TextSource(index, parse_template((vectors and vectors.template) or section.template), section.max_field_chars),
        recommend_index_name(name),
        load_chosen(choice_of(vectors)).revision if vectors else None,
        settings.profiles,
        settings.recommend,
        settings.privacy.least_users,
    )


def _show_report(report: BuildReport, shop: Shop) -> None:
    typer.echo(
        f"{shop.source.index}: {report.products} products, {report.paired} of them bought together with others; "
        f"{report.events} events read, {report.acts} count, {report.unknown} are on products that are not there; "
        f"{report.users} users; {report.removed} products removed; {report.seconds:.1f} s; kept in {shop.kept_in}"
    )
    if report.users and not report.paired:
        typer.echo(f"no two products were bought together by {shop.least_users} users (privacy.least_users)")
