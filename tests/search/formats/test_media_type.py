from __future__ import annotations

import pytest

from middleware.search.formats import Format, MediaType, answer_format, read_media_type

YAML_BODY = MediaType(Format.YAML)


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        ("application/json", MediaType(Format.JSON)),
        ("Application/JSON; charset=UTF-8", MediaType(Format.JSON)),
        ("application/x-ndjson", MediaType(Format.JSON, stream=True)),
        ("application/cbor", MediaType(Format.CBOR)),
        (" application/smile ;v=1;", MediaType(Format.SMILE)),
        ("application/vnd.elasticsearch+json; compatible-with=8", MediaType(Format.JSON, False, "8", True)),
        (
            "application/vnd.elasticsearch+x-ndjson;compatible-with=9;charset=utf-8",
            MediaType(Format.JSON, True, "9", True),
        ),
        ("application/vnd.elasticsearch+yaml", MediaType(Format.YAML, vendor=True)),
    ],
)
def test_media_types_that_elasticsearch_takes(value, media_type) -> None:
    assert read_media_type(value) == media_type


@pytest.mark.parametrize(
    "value",
    ["", "text/plain", "text/yaml", "application/x-yaml", "application/*", "*/*", "application/json, application/yaml",
    "json",
     "application/json;charset=latin1", "application/json;foo", "application/json;a= b", "application/json;a =b",
     "application/",
     "application/vnd.elasticsearch+json;compatible-with=6", "application/vnd.opensearch+json", "application/json/x"],
)  # fmt: skip
def test_media_types_that_some_version_refuses(value) -> None:
    assert read_media_type(value) is None


@pytest.mark.parametrize(
    ("accept", "parameter", "request_type", "format"),
    [
        (None, None, None, Format.JSON),
        (None, None, YAML_BODY, Format.YAML),
        ("*/*", None, YAML_BODY, Format.YAML),
        ("application/json", None, YAML_BODY, Format.JSON),
        ("application/cbor;q=0.5", None, None, Format.CBOR),
        ("application/cbor, application/yaml", None, None, Format.JSON),
        ("application/cbor, application/yaml", None, YAML_BODY, Format.YAML),
        ("text/plain", None, None, Format.JSON),
        ("application/cbor", "SMILE", YAML_BODY, Format.SMILE),
        ("application/vnd.elasticsearch+cbor;compatible-with=8", None, None, Format.CBOR),
        ("application/yaml;q", None, None, None),
        ("yaml", None, None, None),
        ("application/cbor", "bogus", None, None),
        ("application/cbor", "", None, None),
        (None, "bogus", None, Format.JSON),
        (None, "application/yaml", None, None),
        ("application/x-ndjson", None, YAML_BODY, None),
        ("application/*", None, YAML_BODY, None),
    ],
)
def test_the_format_of_elasticsearchs_answer(accept, parameter, request_type, format) -> None:
    assert answer_format(accept, parameter, request_type) is format


@pytest.mark.parametrize(
    ("accept", "parameter", "format"),
    [
        ("application/vnd.elasticsearch+cbor;compatible-with=8", None, Format.YAML),
        ("application/vnd.opensearch+cbor", None, Format.CBOR),
        ("application/cbor", "bogus", Format.CBOR),
        ("application/cbor;q", None, Format.YAML),
        ("application/*", None, Format.JSON),
        ("application/cbor", "json", Format.JSON),
    ],
)
def test_the_format_of_opensearchs_answer(accept, parameter, format) -> None:
    assert answer_format(accept, parameter, YAML_BODY, opensearch=True) is format
