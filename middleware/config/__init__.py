"""All settings, a module for each section of rerank.yml; who uses them imports them from here."""

from middleware.config.ads import AdSettings
from middleware.config.events import EventSettings
from middleware.config.headers import HeaderSettings
from middleware.config.indices import FeatureFields, IndexSettings
from middleware.config.memory import RankingSettings, ScoreSettings
from middleware.config.models import ModelSettings
from middleware.config.network import ServerSettings, UpstreamSettings
from middleware.config.privacy import PrivacySettings
from middleware.config.profiles import ProfileSettings
from middleware.config.recommend import RecommendSettings
from middleware.config.settings import CONTROL, ENV_PREFIX, Settings, cache_dir, load_registry, load_settings
from middleware.config.variants import ExperimentSettings

__all__ = [
    "CONTROL",
    "ENV_PREFIX",
    "AdSettings",
    "EventSettings",
    "ExperimentSettings",
    "FeatureFields",
    "HeaderSettings",
    "IndexSettings",
    "ModelSettings",
    "PrivacySettings",
    "ProfileSettings",
    "RankingSettings",
    "RecommendSettings",
    "ScoreSettings",
    "ServerSettings",
    "Settings",
    "UpstreamSettings",
    "cache_dir",
    "load_registry",
    "load_settings",
]
