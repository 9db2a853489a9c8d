"""What an evaluation writes: files that trec_eval reads to the same numbers, and a page that needs nothing else."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.console import Console

from middleware.learning.evaluation.files import write_results
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.evaluation.results import Results, compared, measured
from middleware.learning.evaluation.slices import Known, make_slices
from middleware.learning.evaluation.terminal import show_results

QUERIES = 12
MEASURES = ("nDCG@10", "AP", "F1@5")


def make_results(name="new <b>"):
    """The variant has a good order for 9 queries, the first stage for 3; what is unjudged stands in between."""
    queries = {f"query {n}": f"{'phone' if n % 2 else 'usb c2000x'} {n} <i>" for n in range(QUERIES)}
    judgments = Judgments(
        queries, {query: {"good": 3, "fair doc": 1, "bad": 0} for query in queries}, 3, "a <file>", {}, {"no grade": 2}
    )
    good, poor = ["good", "x", "fair doc", "bad"], ["bad", "x", "good", "fair doc"]
    first = {query: good if n < 3 else poor for n, query in enumerate(queries)}
    better = {query: poor if n in (0, 5, 7) else good for n, query in enumerate(queries)}
    systems = {
        "elasticsearch": measured("elasticsearch", "the first stage", first, judgments, MEASURES),
        "random": measured("random", "chance", first, judgments, MEASURES),
        "bi-encoder": measured("bi-encoder", "cosine", better, judgments, MEASURES),
        name: measured(name, "variant", better, judgments, MEASURES),
    }
    for each in ("bi-encoder", name):
        object.__setattr__(systems[each], "curve", {2: 0.6, 4: systems[each].whole.mean["nDCG@10"]})
    object.__setattr__(systems[name], "ms", {2: (1.0, 2.0, 3.0), 4: (4.0, 5.0, 6.0)})
    object.__setattr__(systems[name], "window", 4)
    object.__setattr__(systems[name], "outcomes", {"applied": 11, "overloaded": 1})
    results = Results(
        "shop & co", "in process", judgments, 2, MEASURES, 100, "elasticsearch", systems, {2: 0.8, 4: 1.0}
    )
    known = Known(trained_on=frozenset(text.casefold() for text in list(queries.values())[:4]))
    return compared(results, make_slices(judgments, ["length", "model-number", "training"], known))


@pytest.fixture(scope="module")
def results():
    return make_results()


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    write_results(results, folder)
    return folder


def test_trec_eval_finds_the_same_in_the_files(results, folder):
    import ir_measures

    qrels = list(ir_measures.read_trec_qrels(str(folder / "qrels.txt")))
    assert len(qrels) == 3 * QUERIES
    run = list(ir_measures.read_trec_run(str(folder / "runs" / "new_b_.run")))
    found = ir_measures.calc_aggregate([ir_measures.nDCG @ 10, ir_measures.AP], qrels, run)
    mean = results.systems["new <b>"].whole.mean
    assert {str(name): value for name, value in found.items()} == pytest.approx({n: mean[n] for n in ("nDCG@10", "AP")})
    texts = dict(line.split("\t") for line in (folder / "queries.tsv").read_text().splitlines())
    assert texts["q1"] == "usb c2000x 0 <i>"
    assert {each.query_id for each in qrels} == set(texts)


def test_the_json_has_every_number_and_each_query(results, folder):
    found = json.loads((folder / "results.json").read_text())
    ours = found["systems"]["new <b>"]
    assert ours["unjudged_as_0"]["nDCG@10"] == results.systems["new <b>"].whole.mean["nDCG@10"]
    assert ours["judged_hits_only"]["AP"] == pytest.approx(1 * 9 / 12 + ((1 / 2 + 2 / 3) / 2) * 3 / 12)
    assert ours["unjudged_in_first_10"] == pytest.approx(0.25)
    assert ours["second_stage_ms_by_window"]["4"]["p50"] == 5.0
    assert found["judgments"]["dropped"] == {"no grade": 2}
    compared_with = found["compared_with_baseline"]["new <b>"]
    assert (compared_with["wins"], compared_with["losses"], compared_with["ties"]) == (7, 1, 4)
    assert len(found["queries"]) == QUERIES
    assert {each["name"] for each in found["slices"] if each["kind"] == "training"} == {"seen", "unseen"}


def test_generalisation_is_seen_minus_unseen(results):
    """Of the variant, seen (first four queries) has one poor ranking of 4, unseen two of 8: both means are equal.

    The first stage is good in 3 of the 4 seen and in none of the 8 unseen, so the variant gains nothing on the seen
    in sum (poor once where it was good, good once where it was poor), and 6 times the difference on 8 unseen.
    """
    name = "new <b>"
    values = results.systems[name].whole.by_query
    good, poor = values["query 1"]["nDCG@10"], values["query 0"]["nDCG@10"]
    got = results.generalisation[name]
    assert got.measure.difference == pytest.approx(0)
    assert got.gain.difference == pytest.approx(0 - (good - poor) * 6 / 8)
    assert got.gain.interval[0] < got.gain.difference < got.gain.interval[1]


class Outline(HTMLParser):
    """Tags that were opened and closed, and their attributes."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attributes]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing_from_outside(folder):
    page = (folder / "report.html").read_text()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert not {"script", "link", "img", "iframe", "i"} & set(outline.tags)  # <i> stands in a query's text
    for tag, name, value in outline.attributes:
        assert name not in ("src", "srcset", "data"), tag
        if name.endswith("href"):
            assert value.startswith("#")
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert 'name="viewport"' in page
    assert "prefers-color-scheme:dark" in page


def test_the_plots_are_svg_in_the_colour_of_the_page(folder):
    page = (folder / "report.html").read_text()
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 3
    ids = []
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert "width" not in root.attrib
        assert root.attrib["viewBox"]
        ids += [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
        assert "currentColor" in plot
        assert "#0a0b0c" not in plot
    assert len(ids) == len(set(ids))
    assert "queries: 7 won, 4 tied, 1 lost" in plots[0]


def test_the_page_says_what_was_dropped_and_who_fell_back(folder):
    page = (folder / "report.html").read_text()
    for sentence in ("judgments dropped: 2, no grade", "1 x overloaded", "2 queries have no relevant document"):
        assert sentence in page


def test_names_with_markup_are_shown_as_they_are(folder):
    page = (folder / "report.html").read_text()
    assert "new &lt;b&gt;" in page
    assert "new <b>" not in page


def test_the_terminal_shows_all_systems_in_80_columns(results):
    written = io.StringIO()
    show_results(results, Console(file=written, width=80))
    shown = written.getvalue()
    assert max(len(line) for line in shown.splitlines()) <= 80
    for words in ("elasticsearch", "bi-encoder", "random", "nDCG@10, judged", "unjudged in first 10", "p"):
        assert words in shown
    assert "generalisation of new <b>: nDCG@10 of queries seen in training minus unseen" in shown


def test_a_folder_that_cannot_be_written_is_named(results, tmp_path):
    from middleware.errors import ConfigError

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--output"):
        write_results(results, tmp_path / "file")
