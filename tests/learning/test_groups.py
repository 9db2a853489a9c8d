"""Training groups on disk: what was written is read, and a file of another kind is named with its line."""

from __future__ import annotations

import pytest

from middleware.errors import CommandError
from middleware.learning.groups.group import Group, read_groups, split, write_groups

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


def of(query_text, family=""):
    return Group(query_text, ("1", "2"), ("a", "b"), (1.0, 0.0), (2.0, 1.0), "judged", family=family)


def test_a_query_and_its_variants_fall_on_one_side():
    groups = [of(f"query {n}") for n in range(20)]
    groups += [of(f"qurey {n}", family=f"Query  {n}") for n in range(20)] + [of(f"QUERY {n}") for n in range(20)]
    training, held_out = split(groups, 0.25, seed=1)
    assert (len(training), len(held_out)) == (45, 15)
    assert not {group.query_text[-2:] for group in training} & {group.query_text[-2:] for group in held_out}
    assert (training, held_out) == split(groups, 0.25, seed=1) != split(groups, 0.25, seed=2)


@pytest.mark.parametrize(
    ("share", "count", "held_out"), [(0.0, 9, 0), (0.01, 9, 1), (1.0, 9, 8), (0.5, 1, 0), (0.5, 0, 0)]
)
def test_both_sides_of_a_split_have_a_query_where_there_are_two(share, count, held_out):
    sides = split([of(f"query {n}") for n in range(count)], share, seed=1)
    assert [len(side) for side in sides] == [count - held_out, held_out]
