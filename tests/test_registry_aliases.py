"""Any sequence of promotions and rollbacks leads where a plain stack leads, in memory and through the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import RegistryError
from middleware.registry.aliases import Alias, Move, read_aliases, write_aliases

steps = st.lists(st.integers(1, 4) | st.just("rollback"), max_size=30)


@given(st.integers(1, 4), steps)
def test_aliases_are_a_stack_that_remembers_all_its_moves(first, taken):
    alias, stack, moves = Alias((Move(first, "t", "promote"),)), [first], 1
    for step in taken:
        if step == "rollback" and len(stack) == 1:
            assert alias.previous is None
            with pytest.raises(RegistryError, match="nothing was promoted before"):
                alias.rolled_back("t")
            continue
        if step == "rollback":
            assert alias.previous == stack[-2]
            alias = alias.rolled_back("t")
            stack.pop()
            moves += 1
        elif step != stack[-1]:
            alias = alias.promoted(step, "t")
            stack.append(step)
            moves += 1
        else:
            assert alias.promoted(step, "t") is alias
        assert (alias.version, len(alias.history)) == (stack[-1], moves)
    with tempfile.TemporaryDirectory() as folder:
        write_aliases(Path(folder), {"production": alias, "staging": alias})
        assert read_aliases(Path(folder)) == {"production": alias, "staging": alias}
        assert [path.name for path in Path(folder).iterdir()] == ["aliases.json"]
