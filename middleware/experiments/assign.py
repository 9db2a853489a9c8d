"""The variant of one search, and what it means: by header, else by a sticky split of the users, else the default."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from middleware.config import CONTROL, IndexSettings, Settings
from middleware.config.cascade import CascadeSettings
from middleware.config.personal import PersonalSettings
from middleware.config.variants import VariantSettings
from middleware.errors import RequestError
from middleware.features.table import USER_VECTOR_FEATURES
from middleware.fusions import Fusion, hand_set

FALLBACK_WINDOW = 50
SHOWN_CHARS = 64


@dataclass(frozen=True, slots=True)
class Assignment:
    """The decision for one search; `variant` is None only where the second stage is switched `off`."""

    variant: str | None
    source: Literal["header", "split", "default"]
    off: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedVariant:
    """A variant on one index with nothing left open; `model` is None where no model is configured at all.

    `trained` is the fusion model that stands in for the weights, None without one.
    """

    name: str
    model: str | None
    window: int
    weights: Mapping[str, float]
    cascade: CascadeSettings
    trained: Fusion | None = None
    personal: PersonalSettings = field(default_factory=PersonalSettings)

    @property
    def fusion(self) -> Fusion:
        """What makes the fused scores, a profile's features as strong as they shall be."""
        return (self.trained or hand_set(self.weights)).at_strength(self.personal.strength)

    @property
    def wants_profile(self) -> bool:
        """Whether a profile may change anything."""
        return self.personal.strength > 0 and bool(self.fusion.maker.profile_features)

    @property
    def wants_cosines(self) -> bool:
        """Whether the cosine of query and hit counts."""
        return self.fusion.maker.wants_vectors

    @property
    def wants_user_cosines(self) -> bool:
        """Whether the cosine of user and hit counts."""
        return self.wants_profile and not set(USER_VECTOR_FEATURES).isdisjoint(self.fusion.maker.profile_features)

    @property
    def wants_vectors(self) -> bool:
        """Whether the hits' vectors are read."""
        return self.wants_cosines or self.wants_user_cosines


def assign(switch: str | None, user: str | None, settings: Settings) -> Assignment:
    """The variant of a search from the values of the switch and user headers (None: absent, as is a blank one).

    Raises RequestError, naming the known values, where the switch is none of them.
    """
    wanted = (switch or "").strip()
    if wanted:
        return _assign_by_header(wanted, settings)
    unit = (user or "").strip()
    variant = draw_variant(unit, settings.experiment.split, settings.experiment.salt) if unit else None
    if variant is not None:
        return Assignment(variant, "split")
    return Assignment(settings.default_variant, "default")


def draw_variant(user: str, split: Mapping[str, float], salt: str) -> str | None:
    """The user's variant under shares relative to their sum; None where no share is above 0.

    Weighted rendezvous hashing (Thaler and Ravishankar 1998, weights by the exponential race: least -ln(u) / share,
    u in (0, 1) hashed from salt, user and variant). The same in every process and in any order of the shares; when
    one share grows, users move only into that variant, which a cumulative split does not give.
    """
    open_variants = [variant for variant, share in split.items() if share > 0]
    if not open_variants:
        return None
    return min(open_variants, key=lambda variant: -math.log(_uniform(salt, user, variant)) / split[variant])


def resolve(
    name: str, index: IndexSettings, settings: Settings, fusions: Mapping[str, Fusion | None] | None = None
) -> ResolvedVariant:
    """What a variant is on an index, each section and setting its own, else the index's, else the default variant's.

    Then 50 hits, and the first model defined. `fusions` are those that the settings name (fusions.load_fusions); None
    where fused scores do not matter. A variant with weights of its own has no other's fusion model; of one whose model
    is None, the weights count. Raises KeyError for a name that is neither a variant nor control, or a fusion model
    that was not loaded.
    """
    unset = VariantSettings()
    own = unset if name == CONTROL else settings.variants[name]
    default = settings.variants.get(settings.default_variant, unset)
    weights, cascade, personal = (
        getattr(own if name in own.model_fields_set else default, name) for name in ("weights", "cascade", "personal")
    )
    if not settings.profiles.enabled:
        personal = personal.model_copy(update={"strength": 0.0})
    fusion = (own if own.model_fields_set & {"fusion", "weights"} else default).fusion
    return ResolvedVariant(
        name=name,
        model=own.model or index.model or default.model or next(iter(settings.models), None),
        window=own.window or index.window or default.window or FALLBACK_WINDOW,
        weights=weights.model_dump(),
        cascade=cascade,
        trained=None if fusion is None or fusions is None else fusions[fusion],
        personal=personal,
    )


def _assign_by_header(wanted: str, settings: Settings) -> Assignment:
    match wanted.lower():
        case "off":
            return Assignment(None, "header", off=True)
        case "control":
            return Assignment(CONTROL, "header")
        case "on":
            return Assignment(_reranking_variant(settings), "header")
    if wanted in settings.variants:
        return Assignment(wanted, "header")
    known = ", ".join(["on", "off", CONTROL, *settings.variants])
    shown = wanted if len(wanted) <= SHOWN_CHARS else f"{wanted[:SHOWN_CHARS]}..."
    raise RequestError(f"[{settings.headers.switch}] is [{shown}], but must be one of [{known}]")


def _reranking_variant(settings: Settings) -> str:
    if settings.default_variant != CONTROL:
        return settings.default_variant
    variant = next(iter(settings.variants), None)
    if variant is None:
        raise RequestError(f"[{settings.headers.switch}] is [on], but no variant is configured")
    return variant


def _uniform(salt: str, user: str, variant: str) -> float:
    """A number in (0, 1); the parts are hashed with their lengths, so that no two triples read the same."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (salt, user, variant):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    # 52 bits and the half are held by a float exactly; the half keeps the logarithm finite.
    return ((int.from_bytes(digest.digest(), "big") >> 12) + 0.5) / 2**52
