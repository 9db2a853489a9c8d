from __future__ import annotations

import pytest

from middleware.search.formats import Format, split_stream
from middleware.search.json_text import Unreadable


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"{}\n{}\n", [b"{}", b"{}"]),
        (b"{}\r\n{}\r\n", [b"{}\r", b"{}\r"]),
        (b"\n{}\n{}\n", [b"{}", b"{}"]),
        (b"\n\n{}\n", [b"", b"{}"]),
        (b"{}\n{}\n\n{}\n", [b"{}", b"{}", b"", b"{}"]),
        (b"{}\n{}\n{}\n", [b"{}", b"{}", b"{}"]),
    ],
)
def test_lines_are_records(data, records) -> None:
    assert split_stream(data, Format.JSON) == records
    assert split_stream(data.replace(b"\n", b"\xff"), Format.SMILE) == [
        record.replace(b"\n", b"\xff") for record in records
    ]


def test_from_8_on_a_blank_first_line_is_an_empty_header() -> None:
    assert split_stream(b"\n{}\n", Format.JSON, skip_blank_first=False) == [b"", b"{}"]


@pytest.mark.parametrize(
    ("data", "format"), [(b"{}\n{}", Format.JSON), (b"x\xffy", Format.SMILE), (b"", Format.CBOR), (b"\n", Format.YAML)]
)
def test_streams_without_an_end_and_formats_without_streams_are_unreadable(data, format) -> None:
    with pytest.raises(Unreadable):
        split_stream(data, format)
