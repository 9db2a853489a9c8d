"""Training groups on disk: what was written is read, and a file of another kind is named with its line."""

from __future__ import annotations

import pytest

from middleware.errors import CommandError
from middleware.learning.groups import Group, read_groups, write_groups

GROUP = Group("红 lamp", ("1", "2"), ("a red lamp", "红灯"), (1.0, 0.25), (7.5, 0.0), "judged", 0.5)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "groups.jsonl"
    assert write_groups(path, [GROUP, GROUP]) == 2
    assert read_groups(path) == [GROUP, GROUP]


@pytest.mark.parametrize("line", ["{", '{"query_text": "lamp"}', '["lamp"]'])
def test_a_line_that_is_no_group_is_named(tmp_path, line):
    path = tmp_path / "groups.jsonl"
    write_groups(path, [GROUP])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CommandError, match="line 2"):
        read_groups(path)
