"""Reading catalogue files: every record arrives once or is rejected with its line and reason."""

from __future__ import annotations

import gzip
import io
import sys

import pytest

from middleware.catalog import read
from middleware.catalog.bootstrap_records import KINDS
from middleware.catalog.prepare import Prepared
from middleware.catalog.read import Input, Record, Reject
from middleware.catalog.read_events import read_entries
from middleware.catalog.rejects import REFUSED, Rejects
from middleware.errors import CommandError, ConfigError


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_all(path, input_format=None):
    source = Input(path, input_format)
    items = list(source.records())
    source.close()
    return items


def documents(items):
    return [item.document for item in items if isinstance(item, Record)]


def test_json_lines_keep_their_line_numbers_and_bad_ones_say_why(tmp_path):
    lines = b'{"id":1}\n\nnonsense\n[1]\n{"a":NaN}\n{"a":"\xff"}\n{"a":"\\ud800"}\n{"id":2}'
    items = read_all(write(tmp_path, "a.jsonl", lines))
    assert [(item.line, getattr(item, "reason", "")) for item in items] == [
        (1, ""),
        (3, "not_json"),
        (4, "not_an_object"),
        (5, "not_json"),
        (6, "not_utf8"),
        (7, "not_unicode"),
        (8, ""),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path):
    assert documents(read_all(write(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"id":1}\r\n{"id":2}\r\n'))) == [
        {"id": 1},
        {"id": 2},
    ]


def test_a_deeply_nested_record_is_rejected(tmp_path):
    (item,) = read_all(write(tmp_path, "a.jsonl", '{"a":' + "[" * 100_000))
    assert item.reason == "not_json"


def test_a_record_of_absurd_size_is_skipped_without_reading_it_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_RECORD_BYTES", 100)
    content = b'{"id":1}\n{"a":"' + b"x" * 950 + b'"}\n{"id":2}\n'
    items = read_all(write(tmp_path, "a.jsonl", content))
    assert [getattr(item, "reason", item.line) for item in items] == [1, "too_long", 3]
    assert len(items[1].raw) <= 1000


def test_gzip_is_recognised_by_its_content(tmp_path):
    packed = gzip.compress(b'{"id":1}\n')
    assert documents(read_all(write(tmp_path, "a.jsonl.gz", packed))) == [{"id": 1}]
    assert documents(read_all(write(tmp_path, "b.jsonl", packed))) == [{"id": 1}]


def test_a_cut_gzip_is_an_error_and_not_the_end(tmp_path):
    packed = gzip.compress(b"".join(b'{"id":%d,"x":"%d"}\n' % (n, n * 7919) for n in range(5000)))
    with pytest.raises(CommandError, match="cut gzip"):
        read_all(write(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2]))


def test_csv_with_quotes_line_breaks_and_semicolons(tmp_path):
    content = 'id;title;attributes\n1;"a; ""b""\nc";"[{""name"":""x"",""value"":""y""}]"\n2;;\n3;too;many;cells\n'
    items = read_all(write(tmp_path, "a.csv", content))
    assert documents(items) == [
        {"id": "1", "title": 'a; "b"\nc', "attributes": [{"name": "x", "value": "y"}]},
        {"id": "2"},
    ]
    assert (items[2].line, items[2].reason) == (5, "wrong_columns")
    assert items[2].raw == "3;too;many;cells"


def test_an_unclosed_quote_does_not_swallow_the_rest_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_CELL_CHARS", 100)
    rows = "".join(f"{n},t{n}\n" for n in range(2, 200))
    items = read_all(write(tmp_path, "a.csv", f'id,title\n1,"open\n{rows}'))
    assert items[0].reason == "not_csv"
    assert documents(items)[-1] == {"id": "199", "title": "t199"}


def test_quotes_in_tsv_are_plain_characters(tmp_path):
    assert documents(read_all(write(tmp_path, "a.tsv", 'id\ttitle\n1\t"15" monitor\n'))) == [
        {"id": "1", "title": '"15" monitor'}
    ]


def test_a_pipe_is_read_like_a_file(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b'{"id":1}\n'))))
    source = Input("-")
    assert source.size is None
    assert documents(source.records()) == [{"id": 1}]


@pytest.mark.parametrize(("name", "needle"), [("missing.jsonl", "cannot be read"), ("a.xlsx", "unknown kind")])
def test_an_input_that_cannot_be_used_is_named(tmp_path, name, needle):
    write(tmp_path, "a.xlsx", "x")
    with pytest.raises(ConfigError, match=needle):
        Input(tmp_path / name)


def entries(tmp_path, content, kind="ubi"):
    source = Input(write(tmp_path, "log.jsonl", content))
    return list(read_entries(source, {name: f"shop-{name}" for name in KINDS[kind].indices}, KINDS[kind].id_field))


def test_a_log_is_understood_in_bulk_tab_and_plain_form(tmp_path):
    content = (
        '{"index":{"_index":"ubi_queries","_id":"q1"}}\n{"user_query":"tv"}\n'
        'ubi_events\t{"action_name":"click"}\n'
        '{"action_name":"view"}\n{"user_query":"mouse"}\n{"neither":1}\nubi_other\t{"a":1}\n'
    )
    items = entries(tmp_path, content)
    assert [(item.line, item.index) for item in items if isinstance(item, Prepared)] == [
        (2, "shop-ubi_queries"),
        (3, "shop-ubi_events"),
        (4, "shop-ubi_events"),
        (5, "shop-ubi_queries"),
    ]
    assert items[0].id == "q1"
    assert [item.reason for item in items if isinstance(item, Reject)] == ["other_index", "other_index"]


def test_a_log_line_without_an_id_always_gets_the_same_one(tmp_path):
    first, second, third = entries(tmp_path, '{"action_name":"a"}\n{"action_name":"b"}\n{"action_name": "a"}\n')
    assert first.id == third.id != second.id


def test_ads_are_known_by_their_id_and_their_showings_by_what_they_cost(tmp_path):
    ad, shown = entries(tmp_path, '{"ad_id":"a1","bid":1}\n{"ad_id":"a1","cost":1}\n', "ads")
    assert (ad.id, ad.index) == ("a1", "shop-ads")
    assert shown.index == "shop-ad_impressions"


def test_rejects_of_a_killed_run_keep_what_the_cluster_refused_before_the_checkpoint(tmp_path):
    path = tmp_path / "rejects.jsonl"
    first = Rejects(path)
    first.start()
    for line, reason in ((1, REFUSED), (2, "no_title"), (3, REFUSED)):
        first.add(Reject(line, reason, "why", "raw"))
    first.close()
    with path.open("a") as torn:
        torn.write('{"line": 4, "rea')
    again = Rejects(path)
    again.start(keep_refused_to_line=2)
    again.close()
    assert (again.refused_lines, again.counts) == ({1}, {REFUSED: 1})
    assert path.read_text().count("\n") == 1


def test_a_rejects_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="--rejects"):
        Rejects(tmp_path / "no" / "such" / "folder.jsonl").add(Reject(1, "no_title", "", ""))
