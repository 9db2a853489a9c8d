"""The YAML of a suite read into test cases, with scalars as Elasticsearch's own reader of YAML takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from rest_suites.supply import Suite

_FRAMES = ("setup", "teardown")


class _Loader(yaml.CSafeLoader):
    """Dates, sexagesimal numbers, yes and no stay texts: the suites mean them so."""


_Loader.yaml_implicit_resolvers = {}
_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?[0-9][0-9_]*\.[0-9]*([eE][-+]?[0-9]+)?", "-+0123456789"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first])
_Loader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node).replace("_", ""))
)


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a test: `do`, `set`, `skip` or an assertion, and what it says."""

    kind: str
    argument: Any


@dataclass(frozen=True, slots=True)
class Case:
    """One test with the setup and teardown of its file; `module` is its folder, named after the API."""

    module: str
    name: str
    setup: tuple[Step, ...]
    steps: tuple[Step, ...]
    teardown: tuple[Step, ...]

    @property
    def all_steps(self) -> tuple[Step, ...]:
        return self.setup + self.steps + self.teardown


def load_yaml(text: str) -> Any:
    """One YAML document."""
    return yaml.load(text, _Loader)


def read_cases(suite: Suite) -> Iterator[Case]:
    """Every test of the suite, in the order of its files."""
    for path, text in suite.files.items():
        sections: dict[str, tuple[Step, ...]] = {}
        for document in yaml.load_all(text, _Loader):
            for title, steps in (document or {}).items():
                sections[str(title)] = tuple(Step(*next(iter(step.items()))) for step in steps or ())
        setup, teardown = (sections.pop(frame, ()) for frame in _FRAMES)
        for title, steps in sections.items():
            yield Case(path.partition("/")[0], f"{path}: {title}", setup, steps, teardown)
