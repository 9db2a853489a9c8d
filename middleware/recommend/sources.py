"""Where candidates come from: nearest vectors, what is bought together, what is popular; each a list, best first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from middleware.config import IndexSettings, Settings
from middleware.errors import MiddlewareError
from middleware.own_requests import Ask, search_path
from middleware.personalization.profiles import Profile
from middleware.recommend.asked import Asked
from middleware.recommend.catalogue import Catalogue, Vector
from middleware.recommend.catalogue_reader import CatalogueReader
from middleware.recommend.index import read_together, together_search
from middleware.recommend.merging import add_up, merge_by_rank
from middleware.recommend.popularity import PopularityReader, by_share
from middleware.recommend.shelf import Shelf
from middleware.search.document import parse_template
from middleware.search.field_patterns import is_pattern

_RECENT = 10
# The first of what everybody likes comes behind the 61st of what this user likes, so that it fills up and confirms.
_POPULAR_WEIGHT = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Products by id with the scores of their merged lists, best first, and the names of the lists that had any."""

    scores: Mapping[str, float]
    sources: tuple[str, ...]


class Sources:
    """The sources of one section of `indices`. Thread-safe; what fails gives nothing, and is logged."""

    def __init__(
        self,
        section: IndexSettings,
        settings: Settings,
        kept_in: str,
        ask: Ask,
        catalogue: CatalogueReader | None,
        popularity: PopularityReader,
    ) -> None:
        self._section, self._settings, self._kept_in = section, settings, kept_in
        self._ask, self._reader, self._popularity = ask, catalogue, popularity
        self._most = settings.recommend.candidates

    @property
    def catalogue(self) -> Catalogue | None:
        """The vectors as they were last read; None for a section without any."""
        return None if self._reader is None else self._reader.catalogue

    def find(self, asked: Asked, profile: Profile | None, liked: Mapping[str, Any] | None, shelf: Shelf) -> Candidates:
        """The candidates of a kind. Raises what the shelf raises."""
        lists: dict[str, Sequence[str]] = {}
        if asked.kind == "similar" and liked is not None:
            lists = self._similar(liked, shelf)
        elif asked.kind == "bought_together":
            lists = {"bought_together": self._together(liked, profile)}
        elif asked.kind == "for_you":
            lists = self._for_you(profile)
        if asked.kind in ("for_you", "popular"):
            lists["popular"] = self._popular(profile, shelf)
        found = {name: products for name, products in lists.items() if products}
        weights = [_POPULAR_WEIGHT if name == "popular" else 1.0 for name in found]
        return Candidates(merge_by_rank(found.values(), weights), tuple(found))

    def _similar(self, liked: Mapping[str, Any], shelf: Shelf) -> dict[str, Sequence[str]]:
        """By vectors, or where the product has none, by words."""
        vector = self.catalogue.vector_of(str(liked["_id"])) if self.catalogue else None
        if vector is not None:
            return {"vectors": self._nearest(vector, 1)}
        template = parse_template(self._section.template)
        fields = [path for path in template.fields if not is_pattern(path)]
        return {"words": shelf.alike_in_words(liked, fields, self._most)}

    def _for_you(self, profile: Profile | None) -> dict[str, Sequence[str]]:
        if profile is None:
            return {}
        nearest = {name: self._nearest(vector) for name, vector in self._tastes(profile).items()}
        return {**nearest, "bought_together": self._together(None, profile)}

    def _tastes(self, profile: Profile) -> dict[str, Vector]:
        """What the user likes as vectors: the session's and the profile's, else the mean of what was bought last."""
        catalogue = self.catalogue
        if catalogue is None:
            return {}
        tastes: dict[str, Vector] = {}
        if profile.vector_model == catalogue.encoder:
            known = {"session_vector": profile.session_vector, "profile_vector": profile.vector}
            tastes = {name: vector for name, vector in known.items() if vector is not None}
        if not tastes and profile.bought and self._settings.profiles.id_field is None:
            vectors = [catalogue.vector_of(product) for product in _newest(profile.bought)]
            total = np.sum([vector for vector in vectors if vector is not None], axis=0)
            length = float(np.linalg.norm(total))
            tastes = {"bought_vectors": np.asarray(total / length, dtype=np.float32)} if length > 0 else {}
        return tastes

    def _nearest(self, vector: Vector, more: int = 0) -> list[str]:
        assert self.catalogue is not None
        return [product for product, _ in self.catalogue.nearest(vector, self._most + more)]

    def _together(self, liked: Mapping[str, Any] | None, profile: Profile | None) -> list[str]:
        """What goes with the product, or with what the user bought last: by the sum of what each says."""
        products = [] if liked is None else [str(liked["_id"])]
        bought = {} if profile is None or liked is not None else profile.bought
        recent = _newest(bought)
        if not products and not recent:
            return []
        try:
            answer = self._ask("POST", search_path(self._kept_in), together_search(products, recent))
        except MiddlewareError as error:
            log.warning("what is bought together cannot be read: %s", error)
            return []
        return add_up(read_together(answer))[: self._most]

    def _popular(self, profile: Profile | None, shelf: Shelf) -> list[str]:
        """In the user's cluster, else with everybody."""
        id_field = self._settings.profiles.id_field
        if profile is not None and profile.cluster_popularity:
            return shelf.resolve(by_share(profile.cluster_popularity, self._most), id_field)
        popular = self._popularity.read()
        return [*shelf.resolve(popular.object_ids, id_field), *popular.products]


def _newest(bought: Mapping[str, float]) -> list[str]:
    """The latest of object_id -> moment, newest first."""
    return sorted(bought, key=lambda name: -bought[name])[:_RECENT]
