"""What `es-rerank tune` searches, by name: which configurations there are, and which one a trial is asked to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from middleware.errors import ConfigError
from middleware.fusion_models.trained import Trained
from middleware.learning.fusion.losses import LOSSES
from middleware.learning.fusion.make import DEFAULT_UNJUDGED
from middleware.learning.fusion.training import AVERAGE, KINDS, Recipe
from middleware.learning.reranker.recipe import Recipe as RerankerRecipe
from middleware.learning.tuning.template import Piece, pieces_of, template_text

WHAT = ("fusion", "window", "fields", "reranker")
WEIGHTS = "weights"
LEAST_WINDOW, WINDOW_STEP = 10, 10
MOST_WEIGHT = 2.0
MODELS_ALONE, WORDS_TOO, NOTHING = "models", "models and words", "nothing"
RERANKER_LOSSES = ("bce", "ranknet", "listnet", "listmle", "lambdaloss")
MOST_EPOCHS = 4
INVENTED_STEP = 100

_LEAST_RATE, _MOST_RATE = 1e-5, 5e-4
_RATES = ("cross_encoder", "vector_")
_WORDS = ("match", "phrase", "coverage")


class Suggest(Protocol):
    """The part of an optuna trial that chooses."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int: ...
    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True, slots=True)
class FusionChoice:
    """How the fused score is made: hand-set `weights` by feature, or a recipe on these features."""

    kind: str
    weights: Mapping[str, float]
    recipe: Recipe
    names: Sequence[str]
    unjudged: float


@dataclass(frozen=True, slots=True)
class RerankerChoice:
    """How a cross-encoder is trained; `invented`: how many invented queries it learns from beside the judged ones."""

    recipe: RerankerRecipe
    invented: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """One point of the space. None: as rerank.yml has it, its fusion, its cross-encoder."""

    window: int
    template: str
    fusion: FusionChoice | None = None
    reranker: RerankerChoice | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched, and what stays. `sources`: of features, with their names; the cross-encoder's always stays.

    `weights` are those of rerank.yml, and `trained` its fusion model, None without one. `invented`: the most.
    `base`: what a reranker's recipe starts from, with as many `layers`.
    """

    what: Sequence[str]
    window: int
    most_hits: int
    template: str
    features: Sequence[str]
    fields: Sequence[str]
    sources: Mapping[str, Sequence[str]]
    weights: Mapping[str, float]
    trained: Trained | None
    base: RerankerRecipe
    layers: int
    invented: int
    seed: int

    def __post_init__(self) -> None:
        for name in self.what:
            if name not in WHAT:
                raise ConfigError("--what", name, f"name some of {', '.join(WHAT)}, with commas between them")
        if "window" in self.what and self.most_hits < LEAST_WINDOW + WINDOW_STEP:
            raise ConfigError("--hits", self.most_hits, f"give {LEAST_WINDOW + WINDOW_STEP} or more to search windows")
        if "fields" in self.what and len(self.pieces) < 2:
            raise ConfigError("--what", "fields", f"{self.template!r} has one part alone")

    @property
    def pieces(self) -> Sequence[Piece]:
        """The parts of the template."""
        return pieces_of(self.template)

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds of fusion. Of a reranker's own training queries no fusion is learned: it knows them too well."""
        return (WEIGHTS,) if "reranker" in self.what else (WEIGHTS, *KINDS, AVERAGE)

    @property
    def weighted(self) -> Sequence[str]:
        """Features whose weight beside the cross-encoder's is searched."""
        return [name for name in ("first_stage", "vector_cosine") if name in self.features]

    def describe(self) -> dict[str, Any]:
        """All that makes it another space, as JSON holds it."""
        described = {name: value for name, value in asdict(self).items() if name not in ("trained", "base")}
        described["trained"] = self.trained.key if self.trained else None
        return described | ({"base": asdict(self.base)} if "reranker" in self.what else {})

    def present(self) -> Configuration:
        """What rerank.yml says."""
        return Configuration(self.window, self.template)


def suggest(trial: Suggest, space: Space) -> Configuration:
    """The configuration that a trial is asked to try."""
    return Configuration(
        window=_window(trial, space) if "window" in space.what else space.window,
        template=_template(trial, space) if "fields" in space.what else space.template,
        fusion=_fusion(trial, space) if "fusion" in space.what else None,
        reranker=_reranker(trial, space) if "reranker" in space.what else None,
    )


def present_values(space: Space) -> dict[str, Any]:
    """The trial that comes nearest to rerank.yml: with it a search begins, so that it never ends below."""
    values: dict[str, Any] = {}
    if "window" in space.what:
        values["window"] = min(max(round(space.window / WINDOW_STEP) * WINDOW_STEP, LEAST_WINDOW), _most_window(space))
    if "fields" in space.what:
        for place, piece in enumerate(space.pieces[1:], start=1):
            values |= {f"read {piece.name}": True, f"place of {piece.name}": place}
    if "fusion" in space.what:
        values |= _present_fusion(space)
    if "reranker" in space.what:
        values |= {"learning rate": 1e-4, "loss of reranker": "bce", "epochs": 1, "invented": 0}
        values["frozen layers"] = min(space.base.frozen_layers, max(space.layers - 1, 0))
    return values


def _window(trial: Suggest, space: Space) -> int:
    return trial.suggest_int("window", LEAST_WINDOW, _most_window(space), step=WINDOW_STEP)


def _most_window(space: Space) -> int:
    return space.most_hits - space.most_hits % WINDOW_STEP


def _template(trial: Suggest, space: Space) -> str:
    """The first part always stays, and stays the first; the others by their places, equal ones as they were."""
    first, *others = space.pieces
    kept = []
    for piece in others:
        if trial.suggest_categorical(f"read {piece.name}", (True, False)):
            kept.append((trial.suggest_int(f"place of {piece.name}", 1, len(others)), piece))
    return template_text([first, *(piece for _, piece in sorted(kept, key=lambda each: each[0]))])


def _fusion(trial: Suggest, space: Space) -> FusionChoice:
    kind = trial.suggest_categorical("fusion", space.kinds)
    if kind == WEIGHTS:
        own = {name: trial.suggest_float(f"weight of {name}", 0.0, MOST_WEIGHT) for name in space.weighted}
        weights = {**space.weights, "cross_encoder": 1.0, **{name: round(value, 3) for name, value in own.items()}}
        return FusionChoice(kind, weights, Recipe(), (), 0.0)
    unjudged = trial.suggest_float("unjudged", 0.03, 1.0, log=True)
    monotone = trial.suggest_categorical("monotone", (MODELS_ALONE, WORDS_TOO, NOTHING))
    left_out = {
        name
        for source, names in space.sources.items()
        if not trial.suggest_categorical(f"use {source}", (True, False))
        for name in names
    }
    names = [name for name in space.features if name not in left_out]
    given: dict[str, Any] = {}
    if kind != "trees":
        given = {
            "loss": trial.suggest_categorical("loss", tuple(LOSSES)),
            "l2": trial.suggest_float("l2", 1e-3, 1.0, log=True),
        }
        if kind != "linear":
            given["units"] = trial.suggest_int("units", 4, 16, step=4)
    prefixes = {MODELS_ALONE: _RATES, WORDS_TOO: _RATES + _WORDS, NOTHING: ()}[monotone]
    rising = tuple(name for name in names if prefixes and name.startswith(prefixes))
    recipe = Recipe(kind, monotone=rising, fields=tuple(space.fields), seed=space.seed, **given)
    return FusionChoice(kind, {}, recipe, names, unjudged)


def _present_fusion(space: Space) -> dict[str, Any]:
    kind = space.trained.kind if space.trained and space.trained.kind in space.kinds else WEIGHTS
    if kind == WEIGHTS:
        ours = space.weights.get("cross_encoder") or 1.0
        shares = {name: min(space.weights.get(name, 0.0) / ours, MOST_WEIGHT) for name in space.weighted}
        return {"fusion": kind, **{f"weight of {name}": share for name, share in shares.items()}}
    default = Recipe()
    values: dict[str, Any] = {"fusion": kind, "unjudged": DEFAULT_UNJUDGED, "monotone": MODELS_ALONE}
    values |= {f"use {source}": True for source in space.sources}
    values |= {"loss": default.loss, "l2": default.l2} if kind != "trees" else {}
    return values | ({"units": default.units} if kind in ("network", AVERAGE) else {})


def _reranker(trial: Suggest, space: Space) -> RerankerChoice:
    recipe = replace(
        space.base,
        learning_rate=trial.suggest_float("learning rate", _LEAST_RATE, _MOST_RATE, log=True),
        loss=trial.suggest_categorical("loss of reranker", RERANKER_LOSSES),
        epochs=trial.suggest_int("epochs", 1, MOST_EPOCHS),
        frozen_layers=trial.suggest_int("frozen layers", 0, max(space.layers - 1, 0)),
    )
    invented = trial.suggest_int("invented", 0, space.invented, step=INVENTED_STEP) if space.invented else 0
    return RerankerChoice(recipe, invented)
