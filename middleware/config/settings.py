"""Settings and its sections: the only reader of the environment and of rerank.yml, checked once at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from middleware.config.ads import AdSettings
from middleware.config.events import EventSettings
from middleware.config.file import first_error, read_config_file
from middleware.config.headers import HeaderSettings
from middleware.config.indices import IndexSettings
from middleware.config.memory import RankingSettings, ScoreSettings
from middleware.config.models import ModelSettings
from middleware.config.network import ServerSettings, UpstreamSettings
from middleware.config.privacy import PrivacySettings
from middleware.config.profiles import ProfileSettings
from middleware.config.recommend import RecommendSettings
from middleware.config.section import Positive
from middleware.config.ubi import UbiSettings
from middleware.config.variants import ExperimentSettings, VariantSettings
from middleware.errors import ConfigError, RegistryError
from middleware.fusion_file import read_fusion_model
from middleware.registry import Registry
from middleware.registry_reference import is_reference

CONTROL = "control"
ENV_PREFIX = "ES_RERANK_"


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
