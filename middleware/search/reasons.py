"""Why a search was not reranked: the one table behind the reason header and the README."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A value of the reason header; `.meaning` is its line in the README."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Reason:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.meaning = meaning
        return reason

    @classmethod
    def of(cls, value: str) -> Reason:
        """The reason called `value`."""
        return next(reason for reason in cls if reason == value)

    # skipped: passed through untouched
    OFF = "off", "switched off by the request header"
    CONTROL = "control", "the user is in the control group, or `control` was asked for"
    INDEX_NOT_CONFIGURED = "index_not_configured", "no section under `indices` covers the searched indices"
    CONTENT_TYPE = "content_type", "the body is of a type that Elasticsearch does not read"
    CONTENT_ENCODING = "content_encoding", "the body is compressed in another way than gzip or deflate, or broken"
    BODY_TOO_LARGE = "body_too_large", "the body is larger than `server.max_search_bytes`"
    MALFORMED = "malformed", "the body or a parameter is not valid; Elasticsearch's own error is returned"
    FORMAT = "format", "the format of the answer to a body that is not JSON differs between versions of Elasticsearch"
    NOT_RENDERED = "not_rendered", "the search template is only to be rendered, or cannot be"
    SIZE_0 = "size_0", "no hits were asked for"
    SORT = "sort", "sorted by something other than `_score` descending"
    SEARCH_AFTER = "search_after", "paged with `search_after`"
    SCROLL = "scroll", "a scroll: its pages are a snapshot in Elasticsearch's order"
    ASYNC_SEARCH = "async_search", "an asynchronous search: its answer comes in parts"
    POINT_IN_TIME = "pit", "searches a point in time"
    SLICE = "slice", "one slice of a sliced search"
    RETRIEVER = "retriever", "a tree of retrievers, or `rank`, that only the cluster can put in order"
    STORED_FIELDS_NONE = (
        "stored_fields_none",
        "`stored_fields: _none_` beside `rescore`, `retriever` or `profile` leaves nothing to read",
    )
    NO_QUERY_TEXT = "no_query_text", "no text was searched for (match_all, filters, terms)"
    BEYOND_WINDOW = "beyond_window", "the page starts beyond the window"
    # skipped: after the first stage
    NO_HITS = "no_hits", "Elasticsearch found nothing"
    NO_DOCUMENT_TEXT = "no_document_text", "no hit has any of the fields of the document text"
    # recommendations
    NO_CANDIDATES = "no_candidates", "there is nothing to recommend: no vectors, no behaviour, no popularity"
    UNKNOWN_USER = "unknown_user", "nothing is known of the user: what is popular is recommended"
    # fallback: Elasticsearch's order because of a failure of ours
    NO_MODEL = "no_model", "no model is configured for this variant and index"
    MODEL_UNAVAILABLE = "model_unavailable", "the model is still loading, or could not be loaded"
    DEADLINE_EXCEEDED = "deadline_exceeded", "not one hit could be scored within the budget of the second stage"
    OVERLOADED = "overloaded", "too many searches were waiting for the model"
    BACKEND_ERROR = "backend_error", "the model failed"
    RERANK_FAILED = "rerank_failed", "another failure of the second stage"
    FIRST_STAGE_FAILED = (
        "first_stage_failed",
        "the first-stage request was refused, answered in part or unreadable; the search was sent as it was",
    )
    RESPONSE_TOO_LARGE = "response_too_large", "the first-stage answer is larger than `server.max_response_bytes`"
