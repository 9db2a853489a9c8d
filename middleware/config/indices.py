"""The sections of rerank.yml about what is read of an index: document text, features, vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, field_validator

from middleware.config.section import Positive, Section
from middleware.config.vectors import VectorSettings
from middleware.search.document import parse_template


class FeatureFields(Section):
    """Which document fields the features of a hit read, those of a profile and those of a trained fusion model."""

    brand: str | None = Field("brand", description="Field of the brand; null: no brand affinity.")
    category: str | None = Field(
        "category", description="Field of the category, may have many values; null: no affinity."
    )
    price: str | None = Field("price", description="Field of the price; null: no price fit.")
    attributes: tuple[str, ...] = Field(
        (), description="Fields (or patterns such as attr_t_*) whose values count as attributes that a user likes."
    )
    popularity: str | None = Field(None, description="Field of a number that grows with sales or views.")
    date: str | None = Field(None, description="Field of the date since when the product is sold.")
    half_life_days: Annotated[float, Field(gt=0)] = Field(365.0, description="Freshness halves in this time.")

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the features of a profile read."""
        return (*self.of(("brand", "category", "price")), *self.attributes)

    def of(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """The fields of these kinds (names of settings), those that there are."""
        return tuple(name for kind in kinds if (name := getattr(self, kind)))


class IndexSettings(Section):
    """What the second stage reads of one index or family of indices."""

    patterns: tuple[str, ...] = Field((), description="Names, aliases or wildcards; default: NAME and NAME-*.")
    template: str = Field(
        "{title}[ | {brand}][ | {category}][ | {description}]",
        description="Document text. {field} is a dotted path; a [group] vanishes where all its fields are missing.",
    )
    query_text_fields: tuple[str, ...] = Field(
        (), description="Fields whose `term` queries hold words that a person typed; they count as query text."
    )
    template_parameters: tuple[str, ...] = Field(
        (), description="Parameters of search templates that hold the query text; default: the rendered query's text."
    )
    max_field_chars: Positive = Field(2000, description="A field's text is cut here before the tokenizer sees it.")
    model: str | None = Field(None, description="A name under models; default: the default variant's.")
    window: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Default: the default variant's, then 50."
    )
    features: FeatureFields = Field(FeatureFields(), description="Fields for the features of a hit.")
    vectors: VectorSettings | None = Field(None, description="Vectors of the documents; null: none.")

    @field_validator("template")
    @classmethod
    def _readable_template(cls, template: str) -> str:
        parse_template(template)
        return template
