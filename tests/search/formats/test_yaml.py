from __future__ import annotations

import json
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.formats import yaml
from middleware.search.json_text import Unreadable

texts = st.text(max_size=60) | st.text(st.sampled_from("ab é\n"), min_size=80, max_size=300)
# SnakeYAML writes what is not ASCII one by one, and so may break lines elsewhere than PyYAML
ascii_texts = st.text(st.sampled_from('ab "\\\n\t#') | st.characters(min_codepoint=32, max_codepoint=126), max_size=120)
names = st.from_regex(r"[a-z][a-zA-Z_.]{0,30}[bB]", fullmatch=True)


def nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


class _Quoted(str):
    """Text that PyYAML is to put in double quotes."""


class _Dumper(pyyaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(_Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def quoted(value: Any) -> Any:
    if isinstance(value, str):
        return _Quoted(value)
    if isinstance(value, list):
        return [quoted(item) for item in value]
    return {name: quoted(item) for name, item in value.items()} if isinstance(value, dict) else value


@given(st.dictionaries(names, nested(ascii_texts), min_size=1, max_size=4))
def test_yaml_is_written_as_the_ancestor_of_snakeyaml_writes_it(value) -> None:
    text = json.dumps(value)
    written = yaml.write(text).decode()
    expected = pyyaml.dump(
        quoted(value), Dumper=_Dumper, width=80, allow_unicode=True, explicit_start=True, sort_keys=False
    )
    assert written == expected


@given(st.dictionaries(st.text(max_size=30), nested(texts), max_size=4))
def test_what_is_written_reads_back_by_another_parser(value) -> None:
    data = yaml.write(json.dumps(value))
    assert pyyaml.load(data.decode(), Loader=pyyaml.BaseLoader).keys() == value.keys()
    assert json.loads(yaml.read(data)) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{}", "--- {}\n"),
        ("[]", "--- []\n"),
        ("1.0E-7", "--- 1.0E-7\n"),
        ('{"a":{},"b":[],"c":[{"d":1,"e":[2,[3]]}]}', "---\na: {}\nb: []\nc:\n- d: 1\n  e:\n  - 2\n  - - 3\n"),
        ('{"yes":"no","1":"x","a: b":null,"it\'s":1,"":2}',
        '---\n"yes": "no"\n"1": "x"\n\'a: b\': null\nit\'s: 1\n? ""\n: 2\n'),
        ('{"a":"\\udfffAAE="}', "---\na: !!binary |-\n  AAE=\n"),
        ("[1e999,-1e999,0e999,1E999,-1E999,0E999]", "---\n- Infinity\n- -Infinity\n- NaN\n- .inf\n- -.inf\n- .nan\n"),
        ('["\\u2028"]', '---\n- "\\L"\n'),
        ('["\u2028"]', '---\n- "\u2028"\n'),
    ],
)  # fmt: skip
def test_values_are_written_as_jackson_writes_them(text, written) -> None:
    assert yaml.write(text).decode() == written
    assert yaml.read(written.encode()) == text


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("a: yes", {"a": True}), ("a: y", {"a": "y"}), ("a: OFF", {"a": False}), ("a: ~", {"a": None}), ("a:",
        {"a": None}),
        ("a: 0x1F", {"a": 31}), ("a: 010", {"a": 8}), ("a: 1:30", {"a": "1:30"}), ("a: +5", {"a": 5}), ("a: .5",
        {"a": 0.5}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": "x"}), ("a: !!str 5", {"a": "5"}), ("yes: no", {"yes": False}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}), ("{a: [1, 'x', \"\\u00e9\"]}", {"a": [1, "x", "é"]}), ("# c\na: b # d",
        {"a": "b"}),
        ("\ufeffa: 1", {"a": 1}), ('"\\ud800": 1', {"\ud800": 1}),
    ],
)  # fmt: skip
def test_documents_are_read_as_both_engines_read_them(document, value) -> None:
    assert json.loads(yaml.read(document.encode())) == value


@pytest.mark.parametrize(
    "document",
    ["a: 1_000", "a: 0b1", "a: 0o7", "a: 08", "a: 1:30.5", "a: .INF", "a: !!float 5", "a: !!python/object:os.system x",
    "!x {}",
     "a: 1\n---\na: 2", "%YAML 1.1\n--- 1", "", "? [a]\n: 1", "a: b: c", "*x : 1", "a: 'x"],
)  # fmt: skip
def test_documents_that_engines_refuse_or_read_differently_are_unreadable(document) -> None:
    with pytest.raises(Unreadable):
        yaml.read(document.encode())
