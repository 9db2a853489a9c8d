"""What an evaluation leaves on disk: TREC runs and qrels that trec_eval reads, a table of the queries, JSON, a page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from middleware import __version__
from middleware.errors import ConfigError
from middleware.learning.evaluation.page import make_page
from middleware.learning.evaluation.rankings import Comparison, Evaluation
from middleware.learning.evaluation.results import Results, SliceResult, System
from middleware.learning.evaluation.significance import mean_interval


def write_results(results: Results, folder: Path) -> None:
    """Everything into `folder`, which is made; files of an earlier evaluation there are replaced.

    Raises ConfigError where nothing can be written there.
    """
    names = _trec_names(results.judgments.queries)
    try:
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        for system in results.systems.values():
            file = folder / "runs" / f"{_file_name(system.name)}.run"
            _write(file, _run_lines(system, names))
        _write(folder / "qrels.txt", _qrels_lines(results, names))
        _write(folder / "queries.tsv", (f"{names[query]}\t{text}" for query, text in results.judgments.queries.items()))
        _write(folder / "per_query.tsv", _table_lines(results, names))
        _write(folder / "results.json", [json.dumps(as_json(results), ensure_ascii=False, indent=1)])
        _write(folder / "report.html", [make_page(results)])
    except OSError as error:
        raise ConfigError("--output", str(folder), f"cannot be written: {error.strerror}") from error


def as_json(results: Results) -> dict[str, Any]:
    """All numbers of the report, and how they came about."""
    main = results.main_measure
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "version": __version__,
        "seconds": round(results.seconds, 1),
        "index": results.index,
        "how": results.how,
        "judgments": _judgments(results),
        "hits": results.hits,
        "measures": list(results.measures),
        "baseline": results.baseline,
        "systems": {name: _system(system, main) for name, system in results.systems.items()},
        "compared_with_baseline": {name: _comparison(each) for name, each in results.comparisons.items()},
        "compared_on_judged_hits": {name: _comparison(each) for name, each in results.judged_comparisons.items()},
        "best_possible_by_window": dict(results.ceiling),
        "slices": [_slice(each, main) for each in results.slices],
        "generalisation": {name: asdict(each) for name, each in results.generalisation.items()},
        "queries": _queries(results),
    }


def _judgments(results: Results) -> dict[str, Any]:
    judgments = results.judgments
    return {
        "source": judgments.source,
        "queries": len(judgments.qrels),
        "judgments": judgments.grades.total(),
        "grades": dict(sorted(judgments.grades.items())),
        "queries_without_relevant": results.without_relevant,
        "dropped": dict(judgments.dropped),
        "changed": dict(judgments.changed),
    }


def _slice(result: SliceResult, main: str) -> dict[str, Any]:
    return {
        "kind": result.slice.kind,
        "name": result.slice.name,
        "queries": len(result.slice.queries),
        main: dict(result.means),
        "compared_with_baseline": {name: _comparison(each) for name, each in result.comparisons.items()},
    }


def _system(system: System, main: str) -> dict[str, Any]:
    return {
        "note": system.note,
        "window": system.window,
        "unjudged_as_0": _evaluation(system.whole, main),
        "judged_hits_only": _evaluation(system.judged_only, main),
        "unjudged_in_first_10": system.unjudged_share,
        "outcomes": dict(system.outcomes),
        f"{main}_by_window": dict(system.curve),
        "second_stage_ms_by_window": {
            window: {name: float(np.percentile(ms, share)) for name, share in (("p50", 50), ("p90", 90), ("p99", 99))}
            for window, ms in system.ms.items()
            if ms
        },
    }


def _evaluation(evaluation: Evaluation, main: str) -> dict[str, Any]:
    return {**evaluation.mean, f"{main} 95 %": mean_interval(evaluation.values(main))}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    names = ("difference", "interval", "p_value", "wins", "losses", "ties")
    return {name: getattr(comparison, name) for name in names}


def _queries(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "id": query,
            "text": text,
            "unjudged_as_0": {name: dict(each.whole.by_query[query]) for name, each in results.systems.items()},
            "judged_hits_only": {
                name: dict(each.judged_only.by_query[query]) for name, each in results.systems.items()
            },
            "unjudged_in_first_10": {name: each.unjudged.get(query) for name, each in results.systems.items()},
        }
        for query, text in results.judgments.queries.items()
    ]


def _trec_names(queries: Iterable[str]) -> Mapping[str, str]:
    """Query ids as TREC's files need them, without spaces; all are numbered anew where one has some."""
    ids = list(queries)
    if not any(re.search(r"\s", query) for query in ids):
        return {query: query for query in ids}
    return {query: f"q{number}" for number, query in enumerate(ids, start=1)}


def _run_lines(system: System, names: Mapping[str, str]) -> Iterable[str]:
    tag = _file_name(system.name)
    for query, hits in system.run.items():
        for rank, document in enumerate(hits, start=1):
            yield f"{names[query]} Q0 {_plain(document)} {rank} {len(hits) - rank + 1} {tag}"


def _qrels_lines(results: Results, names: Mapping[str, str]) -> Iterable[str]:
    for query, judged in results.judgments.qrels.items():
        for document, grade in judged.items():
            yield f"{names[query]} 0 {_plain(document)} {grade}"


def _table_lines(results: Results, names: Mapping[str, str]) -> Iterable[str]:
    """A line for each query: every system's main measure, whole and of judged hits, and what it gained."""
    systems, main, baseline = list(results.systems.values()), results.main_measure, results.systems[results.baseline]
    columns = ["query_id", "query", "judged", "relevant"]
    for system in systems:
        columns += [f"{system.name} {main}", f"{system.name} {main} judged only", f"{system.name} gain"]
    yield "\t".join(columns)
    for query, text in results.judgments.queries.items():
        judged = results.judgments.qrels[query].values()
        cells: Sequence[str] = [names[query], text, str(len(judged)), str(sum(grade > 0 for grade in judged))]
        base = baseline.whole.by_query[query][main]
        for system in systems:
            whole, judged_only = (each.by_query[query][main] for each in (system.whole, system.judged_only))
            cells = [*cells, f"{whole:.4f}", f"{judged_only:.4f}", f"{whole - base:+.4f}"]
        yield "\t".join(cells)


def _plain(document: str) -> str:
    return quote(document, safe="".join(map(chr, range(33, 127)))) if re.search(r"\s", document) else document


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
