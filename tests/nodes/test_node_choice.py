"""The order in which the tests take their node: a URL, Docker, the embedded one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="module")
def choice(request):
    """The root conftest, loaded by pytest itself."""
    return request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py"))


def refuse() -> bool:
    raise AssertionError("Docker was asked")


@pytest.mark.parametrize(
    ("environment", "docker", "chosen"),
    [
        ({"ES_RERANK_TEST_URL": "http://localhost:9200"}, refuse, "url"),
        ({"ES_RERANK_TEST_URL": ""}, lambda: True, "docker"),
        ({}, lambda: True, "docker"),
        ({}, lambda: False, "embedded"),
        ({"ES_RERANK_TEST_NO_DOCKER": "1"}, refuse, "embedded"),
    ],
)
def test_a_url_comes_before_docker_and_docker_before_the_embedded_node(choice, environment, docker, chosen) -> None:
    assert choice.choose_node(environment, docker) == chosen


class Item:
    """A collected test: its marks, and what was added to them."""

    def __init__(self, *marks: str) -> None:
        self.marks = marks
        self.added: list[str] = []

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None

    def add_marker(self, mark) -> None:
        self.added.append(mark.name)


@pytest.mark.parametrize(("slow_wanted", "added"), [(False, ["skip"]), (True, [])])
def test_slow_tests_are_skipped_unless_asked_for_and_others_never(choice, slow_wanted, added) -> None:
    slow, quick = Item("slow"), Item("integration")
    choice.pytest_collection_modifyitems(SimpleNamespace(getoption=lambda _: slow_wanted), [slow, quick])
    assert slow.added == added
    assert quick.added == []
