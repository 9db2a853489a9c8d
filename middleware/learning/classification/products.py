"""Products of a catalogue file as a classifier sees them: cleaned as bootstrap cleans them, text and category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from middleware.catalog.prepare import PrepareOptions, Preparer
from middleware.catalog.read import Input, Reject
from middleware.errors import CommandError, ConfigError
from middleware.search.document import Template, parse_template, read_values

JOINT = " > "
"""Between the names of a category that has several, such as a path from the root."""
TEMPLATE = "{title}[ | {name}][ | {brand}][ | {short_description}][ | {description}]"
_MAX_FIELD_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `label` is its category or empty; `family` is shared by its variations in size or colour."""

    id: str
    title: str
    text: str
    label: str
    family: str


@dataclass(frozen=True)
class Reading:
    """What is read of a document. Raises ConfigError where the template is wrong or tells the category itself."""

    field: str = "category"
    template: str = TEMPLATE

    def __post_init__(self) -> None:
        try:
            fields = self.parsed.fields
        except ValueError as error:
            raise ConfigError("--template", self.template, str(error)) from error
        if self.field in fields:
            raise ConfigError("--template", self.template, f"must not hold {{{self.field}}}, which is to be found")

    @cached_property
    def parsed(self) -> Template:
        return parse_template(self.template)

    def text_of(self, document: Mapping[str, Any]) -> str:
        return self.parsed.render_document(document, _MAX_FIELD_CHARS)

    def label_of(self, document: Mapping[str, Any]) -> str:
        names = (str(value).strip() for value in read_values(document, self.field) if isinstance(value, str | int))
        return JOINT.join(name for name in names if name)

    def product(self, identity: str, document: Mapping[str, Any]) -> Product:
        title = str(document.get("title") or "")
        family = " ".join((str(document.get("brand") or ""), *title.split()[:3])).casefold()
        return Product(identity, title, self.text_of(document), self.label_of(document), family)


def read_products(
    source: str | Path, reading: Reading, options: PrepareOptions, left_out: Counter[str]
) -> Iterator[Product]:
    """The products of a file; what is none, or has no text, is counted in `left_out`.

    Raises ConfigError where the file cannot be opened, CommandError where it breaks off.
    """
    preparer = Preparer(options)
    with closing(Input(source)) as opened:
        for record in opened.records():
            found = record if isinstance(record, Reject) else preparer.prepare(record)
            if isinstance(found, Reject):
                left_out[found.reason] += 1
                continue
            product = reading.product(found.id, found.document)
            if product.text:
                yield product
            else:
                left_out["no text"] += 1


def read_labelled(
    source: str | Path, reading: Reading, options: PrepareOptions, least: int
) -> tuple[list[Product], Counter[str]]:
    """The products with a category that `least` or more have, in their order, and how many others there are, by why.

    Raises CommandError where fewer than two categories are left.
    """
    left_out: Counter[str] = Counter()
    products = list(read_products(source, reading, options, left_out))
    sizes = Counter(product.label for product in products if product.label)
    kept = [product for product in products if sizes[product.label] >= least and product.label]
    left_out["no category"] = sum(not product.label for product in products)
    left_out[f"of a category with fewer than {least} products"] = len(products) - left_out["no category"] - len(kept)
    if len({product.label for product in kept}) < 2:
        raise CommandError(
            f"{source}: of {len(products)} products {sum(sizes.values())} have a {reading.field!r}, and fewer than two "
            f"categories have {least} of them; name the field with --field, or lower --least"
        )
    return kept, +left_out
