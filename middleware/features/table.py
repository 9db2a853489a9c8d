"""The names of all features with what they mean and what stands for one that is missing: the one place to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIELD_KINDS = ("match", "coverage", "phrase")
"""Features of one field, named KIND.FIELD."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number in [0, 1] that every hit has; `neutral` is its value where nothing is known of it."""

    name: str
    neutral: float
    meaning: str


_ALL = (
    Feature("cross_encoder", 0.5, "The cross-encoder's score, or the estimate of it."),
    Feature("first_stage", 0.0, "Elasticsearch's score, from the window's lowest (0) to its highest (1)."),
    Feature("first_stage_share", 0.0, "Elasticsearch's score as a share of the window's highest."),
    Feature("first_stage_rank", 0.0, "Elasticsearch's rank r as 1 / log2(1 + r): 1, 0.63, 0.5, ..."),
    Feature(
        "vector_cosine",
        0.5,
        "Cosine of the query's and the hit's vectors, from the window's lowest (0) to its highest (1); without a "
        "vector the window's median.",
    ),
    Feature("vector_cosine_raw", 0.5, "That cosine as it is, 0 where negative; without a vector the window's median."),
    Feature("match", 0.0, "Share of the query's words that stand in any of the fields."),
    Feature("phrase", 0.0, "Share of the query's neighbouring words that are neighbours in any of the fields, too."),
    Feature("match.FIELD", 0.0, "Share of the query's words that stand in the field."),
    Feature("coverage.FIELD", 0.0, "Share of the field's words that stand in the query."),
    Feature("phrase.FIELD", 0.0, "Share of the query's neighbouring words that are neighbours in the field, too."),
    Feature(
        "model_number",
        0.5,
        "Share of the query's tokens with digits and letters that stand in a field, however they are hyphenated; "
        "0.5 where the query has none.",
    ),
    Feature(
        "brand_match",
        0.5,
        "1: the query names the hit's brand; 0: it names another of the window's brands; 0.5: it names none.",
    ),
    Feature(
        "popularity",
        0.5,
        "log(1 + popularity), as a share of the window's greatest; without a value the window's median.",
    ),
    Feature(
        "price_closeness",
        0.5,
        "The lower of the hit's price and the query's typical one (the median of the first ten with a price) as a "
        "share of the higher.",
    ),
    Feature("price_level", 0.5, "p / (p + typical price): 0.5 is typical, above is dearer."),
    Feature(
        "freshness",
        0.5,
        "0.5 ^ (age / half-life), 1 for a date to come; without a date the window's median.",
    ),
    Feature("brand_affinity", 0.5, "How much more the user chose this hit's brand than the window offers it."),
    Feature("category_affinity", 0.5, "How much more the user chose this hit's category than the window offers it."),
    Feature(
        "attribute_affinity", 0.5, "How much more the user chose this hit's attributes than the window offers them."
    ),
    Feature("price_fit", 0.5, "How much likelier the user chooses this hit's price than the window offers it."),
    Feature(
        "vector_affinity",
        0.5,
        "Cosine of the user's and the hit's vectors: how far it is from the window's median, times how sure the "
        "profile is.",
    ),
    Feature("session_affinity", 0.5, "Likewise of the hit's vector and that of what the user did in this session."),
    Feature("bought_before", 0.0, "1: the user bought this very product."),
    Feature(
        "cluster_popularity",
        0.0,
        "How much of the behaviour of users like this one is on this product: the root of its share of the greatest.",
    ),
)

FEATURES: Mapping[str, Feature] = {feature.name: feature for feature in _ALL}
OF_ALL_FIELDS = ("match", "phrase", "model_number")
PROFILE_FEATURES = (
    "brand_affinity",
    "category_affinity",
    "attribute_affinity",
    "price_fit",
    "vector_affinity",
    "session_affinity",
    "bought_before",
    "cluster_popularity",
)
USER_VECTOR_FEATURES = ("vector_affinity", "session_affinity")
"""Those that compare the hits' vectors with the user's."""


def find_feature(name: str) -> Feature:
    """The row of a feature, KIND.FIELD standing for any field. Raises ValueError for a name that means nothing."""
    kind, dot, field = name.partition(".")
    row = FEATURES.get(f"{kind}.FIELD" if dot and field and kind in FIELD_KINDS else name)
    if row is None or name.endswith(".FIELD"):
        raise ValueError(f"no feature {name!r}; there are {', '.join(FEATURES)}")
    return row


def features_table() -> str:
    """Every feature with its neutral value and meaning, as a Markdown table."""
    rows = [f"| `{row.name}` | {row.neutral:g} | {row.meaning} |" for row in FEATURES.values()]
    return "\n".join(("| feature | neutral | meaning |", "|---|---|---|", *rows))
