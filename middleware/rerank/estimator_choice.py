"""Where a model's estimator lies: where the settings say, beside its weights, or in our cache by their hash."""

from __future__ import annotations

import logging
from pathlib import Path

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends.calibration import export_folder
from middleware.rerank.estimator import Estimator
from middleware.rerank.estimator_file import NAME, read_estimator
from middleware.rerank.score_keys import model_folder

log = logging.getLogger(__name__)


def find_estimator(settings: ModelSettings) -> Estimator | None:
    """The estimator of a model; None where it has none, or one that cannot be read: then all of a window is read."""
    try:
        path = estimator_path(settings)
        if path is None or (settings.estimator is None and not path.is_file()):
            log.info("model %s has no estimator: every hit is read; see `es-rerank models cascade`", settings.source)
            return None
        estimator = Estimator(read_estimator(path), settings.document_bytes // 2)
    except ModelUnavailable as error:
        log.error("the estimator of model %s is left out: %s", settings.source, error.reason)
        return None
    log.info("model %s has an estimator: %s", settings.source, path)
    return estimator


def estimator_path(settings: ModelSettings) -> Path | None:
    """Where the estimator is, or where it belongs; None where there are no weights and the settings name no place."""
    if settings.estimator is not None:
        return Path(settings.estimator).expanduser()
    folder = None if settings.remote else model_folder(settings.source, settings.revision)
    weight_files = sorted(folder.glob("*.safetensors")) if folder else []
    if folder is None or not weight_files:
        return None
    beside = folder / NAME
    return beside if beside.is_file() else export_folder(weight_files) / NAME
