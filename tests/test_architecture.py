"""The rules of the layout, held by reading the code's own imports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "middleware"
MODULES = sorted(PACKAGE.rglob("*.py"))
OFFLINE = ("middleware.catalog", "middleware.learning", "middleware.nodes", "middleware.demo")
OFFLINE_ROOMS = ("catalog", "learning", "nodes", "demo", "cli.py", "__main__.py")
FLASK_ROOMS = ("app.py", "proxy.py", "admin.py", "security.py", "web")
INFERENCE = ("torch", "onnxruntime", "openvino", "transformers", "sentence_transformers")
INFERENCE_ROOMS = ("rerank/backends", "learning")
IO = ("socket", "urllib3", "requests", "subprocess", "http.client", "elasticsearch", "open")
PURE_ROOMS = ("search", "fusion.py", "fusion_models", "features")
CATCH_ALLS = {"utils", "helpers", "common", "manager", "base", "misc"}


def place(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def is_in(module: Path, rooms: tuple[str, ...]) -> bool:
    return any(place(module) == room or place(module).startswith(f"{room}/") for room in rooms)


def imports(module: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def reaches(names: set[str], targets: tuple[str, ...]) -> set[str]:
    return {name for name in names if any(name == target or name.startswith(f"{target}.") for target in targets)}


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_the_online_path_never_imports_offline_rooms(module):
    if not is_in(module, OFFLINE_ROOMS):
        assert not reaches(imports(module), OFFLINE)


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_flask_is_imported_only_at_the_edge(module):
    if not is_in(module, FLASK_ROOMS):
        assert not reaches(imports(module), ("flask",))


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_inference_libraries_stay_in_their_rooms_and_are_imported_lazily(module):
    if not is_in(module, INFERENCE_ROOMS):
        assert not reaches(imports(module), INFERENCE)
    assert not reaches(imports(module, top_level_only=True), INFERENCE)


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, PURE_ROOMS)], ids=place)
def test_pure_rooms_do_no_io(module):
    assert not reaches(imports(module), IO)
    assert not re.search(r"(?<![\w.])open\(", module.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_a_module_opens_with_one_sentence_on_what_and_why(module):
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize("module", MODULES, ids=place)
def test_no_module_is_a_catch_all_or_too_long(module):
    assert not CATCH_ALLS & set(Path(place(module)).with_suffix("").parts)
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


def test_only_the_configuration_reads_our_environment():
    readers = [place(m) for m in MODULES if re.search(r"os\.environ|getenv", m.read_text(encoding="utf-8"))]
    ours = [place(m) for m in MODULES if "ES_RERANK_" in m.read_text(encoding="utf-8") and place(m) in readers]
    assert set(ours) <= {"config/settings.py"}


def test_the_top_level_holds_nothing_but_what_was_agreed():
    agreed = {"README.md", "LICENSE", "pyproject.toml", "middleware", "mappings", "scripts", "tests", "docker"}
    present = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert present - {"__pycache__"} <= agreed
