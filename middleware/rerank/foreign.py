"""Where backends run third-party code: whatever it raises becomes an error of ours here, and is logged once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from middleware.errors import BackendError, RerankError

log = logging.getLogger(__name__)


@contextmanager
def translated(model: str, what: str) -> Iterator[None]:
    """Turn what `what` of the model raises into BackendError; errors of ours pass through as they are."""
    try:
        yield
    except RerankError:
        raise
    except Exception as error:
        log.exception("%s of model %s failed", what, model)
        raise BackendError(f"{model}: {type(error).__name__}: {error}") from error
