"""The command teaches with examples, and reads lists however they are given."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from middleware.cli import app
from middleware.errors import ConfigError
from middleware.learning.evaluation.commands import read_windows, split_names


def test_help_teaches_with_examples():
    done = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0
    assert done.output.count("es-rerank evaluate --config rerank.yml --qrels") == 4
    for option in ("--variant", "--measures", "--proxy", "--baseline", "--slices", "--trained-on", "--output"):
        assert option in done.output


def test_names_with_commas_are_split_but_not_within_brackets():
    assert split_names(["nDCG@10, P@5", "nDCG(gains={1:1,2:3})@10"]) == ["nDCG@10", "P@5", "nDCG(gains={1:1,2:3})@10"]


def test_windows_are_numbers():
    assert read_windows("20, 10,20") == (10, 20)
    assert read_windows("none") == ()
    for wrong in ("ten", "0", ""):
        with pytest.raises(ConfigError, match="--windows"):
            read_windows(wrong)
