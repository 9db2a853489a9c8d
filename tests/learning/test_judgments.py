"""Judgments are read from every usual format, and nothing is dropped without being counted."""

from __future__ import annotations

import gzip

import pytest

from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgments import NO_TEXT, NOT_IN_INDEX, Judgments, read_judgments


@pytest.fixture
def write(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def test_trec_qrels_with_queries_of_a_tsv(write):
    qrels = write("qrels.txt", "q1 0 a 3", "q1\t0\tb\t0", "q2 Q0 c 1")
    got = read_judgments(qrels, write("queries.tsv", "q1\tred shoe", "q2\tblue  shoe", "q3\tunjudged"))
    assert got.qrels == {"q1": {"a": 3, "b": 0}, "q2": {"c": 1}}
    assert got.queries == {"q1": "red shoe", "q2": "blue shoe"}
    assert got.max_grade == 3
    assert not got.dropped
    assert "TREC qrels" in str(got)
    assert "2 queries, 3 judgments (grade 0: 1, 1: 1, 3: 1)" in str(got)


def test_trec_topics_of_both_styles(write):
    qrels = write("qrels.txt", "301 0 a 1", "302 0 a 1")
    old = write("topics", "<top>", "<num> Number: 301", "<title> red &amp; shoe", "<desc> x", "</top>", "<top>",
                "<num>302</num>", "<title>blue</title>", "</top>")  # fmt: skip
    assert read_judgments(qrels, old).queries == {"301": "red & shoe", "302": "blue"}
    new = write("x.xml", '<topics><topic number="301" type="single"><query>red</query></topic>',
                '<topic number="302"><query>blue</query></topic></topics>')  # fmt: skip
    assert read_judgments(qrels, new).queries == {"301": "red", "302": "blue"}


def test_trec_qrels_alone_ask_for_the_queries(write):
    with pytest.raises(CommandError, match="its 1 queries have no text; give --queries"):
        read_judgments(write("qrels.txt", "q1 0 a 3"))


def test_the_columns_of_chorus(write):
    got = read_judgments(write("j.csv", "query,doc_id,rating", "laptop,1,0", '"laptop, 15""",2,3'))
    assert got.qrels == {"laptop": {"1": 0}, 'laptop, 15"': {"2": 3}}
    assert got.queries['laptop, 15"'] == 'laptop, 15"'


def test_esci_labels_and_their_gains(write):
    head = "example_id,query,query_id,product_id,product_locale,esci_label"
    got = read_judgments(write("a.csv", head, "0,red shoe,7,B1,us,E", "1,red shoe,7,B2,us,S", "2,red shoe,7,B3,us,C",
                               "3,red shoe,7,B4,us,I"))  # fmt: skip
    assert got.qrels == {"7": {"B1": 3, "B2": 2, "B3": 1, "B4": 0}}
    assert got.queries == {"7": "red shoe"}
    gains = read_judgments(write("b.csv", head, "0,x,7,B1,us,1.0", "1,x,7,B2,us,0.1", "2,x,7,B3,us,0.01",
                                 "3,x,7,B4,us,0"))  # fmt: skip
    assert gains.qrels == got.qrels
    words = read_judgments(write("c.csv", head, "0,x,7,B1,us,Exact", "1,x,7,B2,us,Irrelevant"))
    assert words.qrels == {"7": {"B1": 3, "B2": 0}}


def test_esci_as_amazon_ships_it(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"query": ["red", "red"], "query_id": [7, 7], "product_id": ["B1", "B2"],
                           "esci_label": ["E", "C"], "split": ["test", "test"]})  # fmt: skip
    parquet.write_table(table, tmp_path / "examples.parquet")
    got = read_judgments(tmp_path / "examples.parquet")
    assert got.qrels == {"7": {"B1": 3, "B2": 1}}
    assert "ESCI" in got.source


def test_wands_finds_its_queries_beside_its_labels(write):
    write("query.csv", "query_id\tquery\tquery_class", "0\tsalon chair\tMassage Chairs", '1\t"36"" vanity"\t')
    labels = write("label.csv", "id\tquery_id\tproduct_id\tlabel", "0\t0\t25434\tExact", "1\t0\t9\tIrrelevant",
                   "2\t1\t9\tPartial")  # fmt: skip
    got = read_judgments(labels)
    assert got.qrels == {"0": {"25434": 2, "9": 0}, "1": {"9": 1}}
    assert got.queries == {"0": "salon chair", "1": '36" vanity'}
    assert "WANDS" in got.source


def test_the_exports_of_quepid(write):
    basic = read_judgments(write("basic.csv", "query,docid,rating", "red,1,3", "red,2,", "blue"))
    assert basic.qrels == {"red": {"1": 3}}
    assert sum(basic.dropped.values()) == 2
    head = "Team Name,Case Name,Case ID,Query Text,Doc ID,Title,Rating,price"
    detailed = read_judgments(write("detailed.csv", head, 'T,C,5,red,1,"Red, shoe",2,9'))
    assert detailed.qrels == {"red": {"1": 2}}
    book = read_judgments(write("book.csv", "query,docid,Ann,Unknown", "red,1,3,1", "red,2,,0", "red,3,,"))
    assert book.qrels == {"red": {"1": 2, "2": 0}}
    letor = read_judgments(write("letor.txt", "2 qid:12 # doc1 red shoe", '0    qid:12 #    doc2; "red shoe"'))
    assert letor.qrels == {"12": {"doc1": 2, "doc2": 0}}
    assert letor.queries == {"12": "red shoe"}
    assert all("Quepid" in each.source for each in (basic, detailed, book, letor))


def test_beir_and_gzip(tmp_path):
    path = tmp_path / "test.tsv.gz"
    path.write_bytes(gzip.compress(b"query-id\tcorpus-id\tscore\n1\td7\t2\n"))
    (tmp_path / "q.tsv").write_text("1\tred\n")
    assert read_judgments(path, tmp_path / "q.tsv").qrels == {"1": {"d7": 2}}


def test_every_row_that_is_no_judgment_is_counted(write):
    rows = ("red,1,3", "red,2,good", "red,,1", ",3,1", "red,4", "red,1,2", "red,5,-1")
    got = read_judgments(write("j.csv", "query,doc_id,rating", *rows))
    assert got.qrels == {"red": {"1": 3, "5": 0}}
    assert sorted(got.dropped.values()) == [1, 1, 2]
    assert sorted(got.changed.values()) == [1, 1]
    assert "judgments dropped: 1, no document id" in got.remarks()


def test_rows_of_unknown_queries_are_counted(write):
    got = read_judgments(write("q.txt", "q1 0 a 3", "q2 0 a 3", "q2 0 b 1", "q1 0 c"), write("t.tsv", "q1\tred"))
    assert got.qrels == {"q1": {"a": 3}}
    assert got.dropped == {"not 4 columns": 1, NO_TEXT: 2}


def test_documents_that_the_index_lacks_are_counted_and_all_of_them_are_an_error(write):
    got = read_judgments(write("j.csv", "query,doc_id,rating", "red,1,3", "red,2,0", "blue,9,1"))
    kept = got.only({"1", "2"})
    assert kept.qrels == {"red": {"1": 3, "2": 0}}
    assert kept.queries == {"red": "red"}
    assert kept.dropped == {NOT_IN_INDEX: 1}
    with pytest.raises(CommandError, match=r"none of its 3 judgments is left.*--id-field"):
        got.only(set())


def test_queries_without_a_relevant_document_are_named(write):
    got = read_judgments(write("j.csv", "query,doc_id,rating", "red,1,3", "blue,2,0"))
    assert got.without_relevant == ("blue",)


def test_queries_with_counts_say_how_often_they_are_sent(write):
    qrels = write("j.csv", "query,doc_id,rating", "red shoe,1,3", "blue,2,1")
    got = read_judgments(qrels, write("q.csv", "query,count", "red shoe,120", "blue,3"))
    assert got.searches == {"red shoe": 120, "blue": 3}


def test_fractions_are_rounded_and_said_or_refused_where_they_would_all_be_zero(write):
    got = read_judgments(write("a.csv", "query,doc_id,rating", "red,1,2.5", "red,2,0.4"))
    assert got.qrels == {"red": {"1": 3, "2": 0}}
    assert list(got.changed.values()) == [2]
    with pytest.raises(ConfigError, match="fractions of 1"):
        read_judgments(write("b.csv", "query,doc_id,rating", "red,1,0.5", "red,2,0.4"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "is empty"),
        (("query,doc_id,rating",), "holds no judgments"),
        (("query,doc_id,rating", "red,1,good"), "none of its 1 rows is a judgment: 1 x no grade"),
        (("name,price", "red,1"), "no columns for query and document"),
        (("query,doc_id", "red,1"), "no column for the grade"),
    ],
)
def test_files_without_judgments_say_what_is_wrong(write, lines, message):
    with pytest.raises((CommandError, ConfigError), match=message):
        read_judgments(write("j.csv", *lines))


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "j.csv").write_bytes(b"query,doc_id,rating\nr\xff\xfed,1,3\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_judgments(tmp_path / "j.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_judgments(tmp_path / "missing.csv")


def test_the_judgments_of_chorus(shared_data):
    got = read_judgments(shared_data / "chorus" / "judgments_dev.csv")
    assert (len(got.qrels), got.grades.total(), got.max_grade) == (90, 2519, 3)
    assert not got.dropped


def test_queries_of_one_text_are_one_query_to_learn_from():
    qrels = {"1": {"a": 3, "b": 0}, "2": {"a": 1, "b": 2}, "3": {"a": 0}}
    judgments = Judgments({"1": "lamp", "2": "lamp", "3": "desk"}, qrels, 3, "here")
    assert judgments.by_text() == {"lamp": {"a": 3, "b": 2}, "desk": {"a": 0}}
