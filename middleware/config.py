"""Settings and its sections: the only reader of the environment and of rerank.yml, checked once at start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from middleware.config_ads import AdSettings as AdSettings
from middleware.config_events import EventSettings as EventSettings
from middleware.config_file import first_error, read_config_file
from middleware.config_network import ServerSettings as ServerSettings
from middleware.config_network import UpstreamSettings as UpstreamSettings
from middleware.config_privacy import PrivacySettings as PrivacySettings
from middleware.config_profiles import ProfileSettings as ProfileSettings
from middleware.config_recommend import RecommendSettings as RecommendSettings
from middleware.config_remote import RemoteSettings
from middleware.config_section import Positive, Section
from middleware.config_ubi import UbiSettings
from middleware.config_variants import VariantSettings, Weight
from middleware.config_vectors import VectorSettings
from middleware.errors import ConfigError, RegistryError
from middleware.fusion_file import read_fusion_model
from middleware.registry import Registry
from middleware.registry_reference import is_reference, parse_reference
from middleware.search.document import parse_template

CONTROL = "control"
ENV_PREFIX = "ES_RERANK_"


class HeaderSettings(Section):
    """Names of our request and response headers."""

    switch: str = Field(
        "X-Rerank",
        description="Request: on, off, control or a variant. Response: applied, skipped, fallback.",
    )
    user: str = Field("X-Rerank-User", description="Whose profile to use; also the unit of the A/B split.")
    consent: str = Field(
        "X-Rerank-Consent",
        description="none: no profile of this user is read, and nothing of theirs is kept. all: as without the header. "
        "Whatever else stands there counts as none.",
    )
    admin_token: str = Field("X-Rerank-Admin-Token", description="The secret of privacy.admin_token.")
    budget_ms: str = Field("X-Rerank-Budget-Ms", description="Budget of this search's second stage.")
    reason: str = Field("X-Rerank-Reason", description="Why a search was skipped or fell back.")
    variant: str = Field("X-Rerank-Variant", description="The variant that answered.")
    model: str = Field("X-Rerank-Model", description="The model that scored.")
    window: str = Field(
        "X-Rerank-Window",
        description="How many hits are in our order: the window, or where nothing is estimated, as many as were read.",
    )
    depth: str = Field("X-Rerank-Depth", description="How many of them the cross-encoder read.")
    sponsored: str = Field("X-Rerank-Sponsored", description="Places of the page's sponsored hits, from 1.")
    candidates: str = Field("X-Rerank-Candidates", description="Where recommendations came from.")

    @property
    def withheld(self) -> tuple[str, ...]:
        """Those that the cluster does not get: they are about a person, or a secret of ours."""
        return (self.user, self.consent, self.admin_token)

    @field_validator("*")
    @classmethod
    def _header_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError("not the name of an HTTP header")
        return name


class ModelSettings(Section):
    """One cross-encoder."""

    source: str = Field(
        description="Local folder or hub name of a sequence-classification model, or registry:NAME[@ALIAS or @VERSION]."
    )
    revision: str | None = Field(None, description="Hub revision; pin it in production.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: CUDA, else MPS, else CPU.")
    precision: Literal["auto", "exact", "balanced", "fast"] = Field(
        "auto",
        description="exact: fp32, 4 x sentence-transformers' speed on CPUs. balanced: bf16, 6 x, Kendall's tau 0.99. "
        "fast: 8-bit integers on CPUs, 9 x, tau 0.96, no loss of nDCG@10 seen. auto: balanced on CUDA, else exact.",
    )
    backend: Literal["auto", "torch", "onnx", "openvino"] = Field(
        "auto", description="What runs the model; auto: the fastest that is installed and fits model and processor."
    )
    measure: bool = Field(False, description="Time every backend that fits at start, and take the fastest.")
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = Field(
        256, description="A pair is cut to this many tokens; the document gives way first."
    )
    batch_tokens: Positive | None = Field(
        None, description="Most tokens in one forward pass, padding included; default: the backend's, 512 on a CPU."
    )
    threads: Annotated[int, Field(ge=0)] = Field(
        0, description="CPU threads that score, each its own pairs; 0: all cores."
    )
    queue_limit: Positive = Field(
        64, description="Searches that may wait for this model; beyond it: fallback 'overloaded'."
    )
    trust_remote_code: bool = Field(False, description="Run Python code that comes with the model.")
    document_bytes: Annotated[int, Field(ge=0)] = Field(
        32 * 1024 * 1024, description="Memory for the tokens and vectors of documents, so that they are made once."
    )
    estimator: str | None = Field(
        None,
        description="What `es-rerank models cascade` made of the model; default: beside its weights or in the cache.",
    )
    remote: RemoteSettings | None = Field(
        None, description="Servers that score instead of this process; `source` is the model's name there."
    )

    @field_validator("source")
    @classmethod
    def _existing_folder(cls, source: str) -> str:
        if is_reference(source):
            try:
                parse_reference(source)
            except RegistryError as error:
                raise ValueError(error.reason) from error
            return source
        looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
        if looks_local and not (Path(source).expanduser() / "config.json").is_file():
            raise ValueError("no model there; give a folder that holds config.json, or a hub name such as org/model")
        return source

    @property
    def is_registered(self) -> bool:
        """Whether `source` is looked up in the registry; of a model that runs elsewhere it is the name there."""
        return self.remote is None and is_reference(self.source)

    def resolved(self, registry: Registry) -> Self:
        """These settings with the folder of the version that serves now. Raises RegistryError."""
        if not self.is_registered:
            return self
        return self.model_copy(update={"source": str(registry.resolve(self.source, kinds=("cross_encoder",)))})


class ExperimentSettings(Section):
    """How users are split when the switch header is absent."""

    salt: str = Field("es-rerank", description="Change it to draw a new split.")
    split: Mapping[str, Weight] = Field(
        {}, description="Variant (or control) to share; shares are relative. Empty: no experiment."
    )


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


class RankingSettings(Section):
    """How long the ranking of a window is remembered, so that its next pages are cut from the same order at no cost."""

    ttl_s: Annotated[int, Field(ge=0)] = Field(60, description="How long; 0: rerank every page anew.")
    size: Positive = Field(1000, description="Rankings remembered at once by each worker.")


class ScoreSettings(Section):
    """The memory of the models' scores: a pair that was scored costs nothing when it is searched again."""

    max_bytes: Annotated[int, Field(ge=0)] = Field(
        64 * 1024 * 1024, description="Memory of each worker for scores, 160 bytes each; 0: every pair is scored anew."
    )
    redis_url: SecretStr | None = Field(
        None, description="A Redis that all workers share, such as redis://HOST:6379/0."
    )
    redis_timeout_ms: Positive = Field(5, description="A Redis that takes longer is not waited for.")
    redis_ttl_s: Positive = Field(86_400, description="How long a score stays in Redis.")


class Settings(BaseSettings):
    """Everything in rerank.yml; the environment (ES_RERANK_UPSTREAM__URLS, ...) wins over the file."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    in_file: ClassVar[Mapping[str, Any]] = {}

    upstream: UpstreamSettings = UpstreamSettings()
    server: ServerSettings = ServerSettings()
    headers: HeaderSettings = HeaderSettings()
    models: Mapping[str, ModelSettings] = Field({}, description="Cross-encoders by name.")
    variants: Mapping[str, VariantSettings] = Field({"default": VariantSettings()}, description="Variants by name.")
    default_variant: str = Field("default", description="The variant of searches that no header and no split decides.")
    experiment: ExperimentSettings = ExperimentSettings()
    indices: Mapping[str, IndexSettings] = Field({"products": IndexSettings()}, description="Reranked indices by name.")
    profiles: ProfileSettings = ProfileSettings()
    privacy: PrivacySettings = PrivacySettings()
    ads: AdSettings = AdSettings()
    ubi: UbiSettings = UbiSettings()
    events: EventSettings = EventSettings()
    recommend: RecommendSettings = RecommendSettings()
    rankings: RankingSettings = RankingSettings()
    scores: ScoreSettings = ScoreSettings()
    registry: Path | None = Field(
        None, description="Folder of the model registry; default: `registry` in the cache, ~/.cache/es-rerank."
    )
    budget_ms: Positive = Field(
        1000,
        description="Time for the second stage of one search; hits that it has no time for stay behind the others.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the file that `load_settings` names."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, dict(cls.in_file))

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        known_variants = {CONTROL, *self.variants}
        if self.default_variant not in known_variants:
            raise ConfigError("default_variant", self.default_variant, f"name one of {sorted(known_variants)}")
        for name in self.experiment.split:
            if name not in known_variants:
                raise ConfigError("experiment.split", name, f"name one of {sorted(known_variants)}")
        for name in self.variants:
            if name.lower() in ("on", "off", CONTROL):
                raise ConfigError("variants", name, "this name is reserved for the switch header; rename the variant")
        users: dict[str, str | None] = {
            f"variants.{name}.model": variant.model for name, variant in self.variants.items()
        }
        users |= {f"indices.{name}.model": index.model for name, index in self.indices.items()}
        for key, model in users.items():
            if model is not None and model not in self.models:
                raise ConfigError(key, model, f"no such model; define it under models (there: {sorted(self.models)})")
        return self

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Self:
        for name in self.models:
            self.open_model(name)
        for name, variant in self.variants.items():
            if variant.fusion is not None and is_reference(variant.fusion):
                self._check_fusion(f"variants.{name}.fusion", variant.fusion)
        return self

    def _check_fusion(self, key: str, source: str) -> None:
        try:
            read_fusion_model(self.locate_fusion(source))
        except (RegistryError, ConfigError) as error:
            raise ConfigError(key, source, error.reason) from error

    @property
    def model_registry(self) -> Registry:
        """The registry that `registry:` in a source means."""
        return Registry(self.registry or cache_dir() / "registry")

    def locate_fusion(self, source: str) -> Path:
        """The file or folder of what a variant names under `fusion`. Raises RegistryError."""
        return self.model_registry.resolve(source, kinds=("fusion",)) if is_reference(source) else Path(source)

    def without_servers(self) -> Self:
        """These settings for a process that runs the models itself, whatever servers they name."""
        models = {name: model.model_copy(update={"remote": None}) for name, model in self.models.items()}
        return self.model_copy(update={"models": models})

    def choose_model(self, name: str | None) -> str:
        """`name`, where there is such a model; without one the default variant's, or the first. Raises ConfigError."""
        variant = self.variants.get(self.default_variant)
        name = name or (variant and variant.model) or next(iter(self.models), None)
        if name is None or name not in self.models:
            raise ConfigError("models", name, f"no such model; name one of {sorted(self.models)} with --model")
        return name

    def open_model(self, name: str) -> ModelSettings:
        """The settings under `models.name`, with the folder that a reference names now. Raises ConfigError."""
        model = self.models[name]
        try:
            return model.resolved(self.model_registry)
        except RegistryError as error:
            raise ConfigError(f"models.{name}.source", model.source, error.reason) from error

    def find_model(self, name: str | None) -> ModelSettings:
        """What `open_model` gives for the model of `choose_model`. Raises ConfigError."""
        return self.open_model(self.choose_model(name))


def load_settings(path: Path | None = None, **overrides: Any) -> Settings:
    """Settings from `path` (rerank.yml), the environment and `overrides`, in rising order of precedence.

    Raises ConfigError, one line that names the key, the value and the remedy.
    """
    in_file = read_config_file(path) if path else {}
    sourced = type("Settings", (Settings,), {"in_file": in_file})
    try:
        settings: Settings = sourced(**overrides)
        return settings
    except ValidationError as error:
        raise first_error(error) from error
    except ValueError as error:
        raise ConfigError("environment", f"{ENV_PREFIX}*", " ".join(str(error).split())) from error


def load_registry(path: Path | None = None) -> Registry:
    """The registry that `registry` in `path` (rerank.yml) or the environment names, whatever else stands there.

    The file's models need not be there yet: this is how they get there. Raises ConfigError.
    """
    in_file = read_config_file(path) if path else {}
    folder = os.environ.get(f"{ENV_PREFIX}REGISTRY") or in_file.get("registry") or cache_dir() / "registry"
    if not isinstance(folder, str | Path):
        raise ConfigError("registry", folder, "give a folder")
    return Registry(Path(folder))


def cache_dir() -> Path:
    """Folder for what is expensive to make again (jars, trained models): $ES_RERANK_CACHE, else ~/.cache/es-rerank."""
    return Path(os.environ.get(f"{ENV_PREFIX}CACHE") or Path.home() / ".cache" / "es-rerank").expanduser()
