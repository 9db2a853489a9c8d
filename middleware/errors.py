"""The whole error tree and its status table, so that every failure has one place that says what a client sees."""

from __future__ import annotations

from typing import Any


class MiddlewareError(Exception):
    """Any failure of ours; `status` is what an HTTP client would see, `error_type` Elasticsearch's name for it."""

    status = 500
    error_type = "middleware_exception"

    @property
    def reason(self) -> str:
        return str(self)

    def body(self) -> dict[str, Any]:
        """The error in Elasticsearch's shape: {"error": {"root_cause": [...], "type", "reason"}, "status"}."""
        cause = {"type": self.error_type, "reason": self.reason}
        return {"error": {"root_cause": [cause], **cause}, "status": self.status}


class ConfigError(MiddlewareError):
    """A setting is wrong; raised at start. One line that names the key, the value and the remedy; exit code 2."""

    error_type = "configuration_exception"

    def __init__(self, key: str, value: object, remedy: str) -> None:
        super().__init__(f"{key}: {value!r}: {remedy}")
        self.key = key


class CommandError(MiddlewareError):
    """A command cannot go on: one line for the terminal, with the remedy; exit code 1."""

    error_type = "command_exception"


class RegistryError(CommandError):
    """The model registry has not what was asked of it, or what it has is damaged: one line, with the remedy."""

    error_type = "registry_exception"


class RequestError(MiddlewareError):
    """The client asked for something of ours that we cannot do: 400."""

    status = 400
    error_type = "illegal_argument_exception"


class NotFound(RequestError):
    """Nothing of ours lives at this address: 404."""

    status = 404
    error_type = "resource_not_found_exception"


class AccessDenied(MiddlewareError):
    """The caller may not use this part of the middleware: 403."""

    status = 403
    error_type = "security_exception"


class NotAuthenticated(AccessDenied):
    """The caller has not said who it is: 401."""

    status = 401


class ClusterRefused(MiddlewareError):
    """The cluster refused what we asked in a caller's name: with its own status, which says what the caller may not."""

    error_type = "cluster_refused_exception"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ContentTooLarge(RequestError):
    """The client sent more at once than we take: 413."""

    status = 413
    error_type = "content_too_large_exception"


class Rejected(MiddlewareError):
    """There is no room for what the client sent: 429, to be sent again after `retry_after_s`."""

    status = 429
    error_type = "es_rejected_execution_exception"

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class UpstreamError(MiddlewareError):
    """No upstream node could be reached, or it broke off before it answered: 502."""

    status = 502
    error_type = "upstream_unavailable_exception"


class UpstreamTimeout(UpstreamError):
    """The upstream node took the request but did not answer in time: 504."""

    status = 504
    error_type = "upstream_timeout_exception"


class RerankError(MiddlewareError):
    """The second stage failed: a search falls back, `fallback_reason` goes into `X-Rerank-Reason`; 503 elsewhere."""

    status = 503
    error_type = "rerank_exception"
    fallback_reason = "rerank_failed"


class NoModel(RerankError):
    """No model is configured for the variant and index of this search."""

    fallback_reason = "no_model"


class Overloaded(RerankError):
    """More searches are waiting for the model than the queue may hold."""

    fallback_reason = "overloaded"


class DeadlineExceeded(RerankError):
    """Not one hit could be scored within the budget of the second stage."""

    fallback_reason = "deadline_exceeded"


class BackendError(RerankError):
    """The model raised, or gave scores that are not finite numbers of the expected shape."""

    fallback_reason = "backend_error"


class ModelUnavailable(BackendError):
    """The model is still loading, or could not be loaded."""

    fallback_reason = "model_unavailable"
