"""Bootstraps on a terminal: a progress bar while they run, tables of what they did and of the rules they follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from middleware.catalog.bootstrap_records import RecordsReport
from middleware.catalog.bootstrap_report import Progress, Report
from middleware.catalog.prepare_fields import FILL_RULES, ID_SOURCES
from middleware.catalog.prepare_units import UNIT_RULES

STEPS = {
    "strip_markup": "HTML tags, comments, scripts and styles go; entities become characters",
    "strip_controls": "control characters become a space; invisible marks vanish",
    "fold_unicode": "NFC; other widths of letters and digits, ligatures, squared units become plain; ™, ², （） stay",
    "normalise_units": "texts: listed in the field quantities; attributes: respelt (table below)",
    "squeeze_whitespace": "one space between words, none around",
    "fill_missing": "missing fields from others (table below)",
    "type_fields": "price, popularity, attr_n_*, attr_b_* from text; attributes {name: value} become a list",
    "drop_duplicates": "of records with the same id the first stays (switched off: the last)",
    "drop_near_duplicates": "same words in the title (whatever case, order, punctuation), same brand, category, price, "
    "description and attributes: the first stays; --near-duplicate-by names other fields",
}


@contextmanager
def show_progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar over the bytes of the input, with the documents so far; waits for the cluster are said in its text."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[so_far]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, so_far="")

        def advance(progress: Progress) -> None:
            if progress.note:
                bar.update(task, description=f"waiting: {escape(progress.note)}")
                return
            so_far = f"{progress.documents:,} documents"
            so_far += f", {progress.rejects:,} left out" if progress.rejects else ""
            bar.update(task, description=progress.phase, completed=progress.done, total=progress.total, so_far=so_far)

        yield advance


def print_report(console: Console, report: Report) -> None:
    """The closing report of a bootstrap of products."""
    table = Table(title=_title(report), title_justify="left", show_header=False)
    table.add_row("records read", f"{report.records:,}")
    table.add_row("documents", _count_documents(report))
    for reason, count in sorted(report.rejects.items()):
        table.add_row(f"left out: {reason}", f"{count:,}")
    table.add_section()
    for step, count in report.steps.items():
        table.add_row(step, f"{count:,}")
    for step in report.switched_off:
        table.add_row(step, "off")
    table.add_section()
    table.add_row("language", f"{report.language}: {report.language_reason}")
    for label, reason in report.analysis.items():
        table.add_row(f"analysis {label}", escape(reason))
    table.add_section()
    table.add_row("time", f"{report.seconds:.1f} s, {report.documents_per_second:,.0f} documents a second")
    console.print(table)
    _print_rejects_file(console, report.rejects_file)


def _count_documents(report: Report) -> str:
    earlier = f" ({report.resumed:,} of them by an earlier run)" if report.resumed else ""
    return f"{report.documents:,}{earlier}"


def _title(report: Report) -> str:
    if report.dry_run:
        return f"{report.alias}: dry run, nothing was written to the cluster"
    way_back = f"; --rollback goes back to {', '.join(report.previous)}" if report.previous else ""
    return f"{report.alias} → {report.index}{way_back}"


def print_records_report(console: Console, report: RecordsReport) -> None:
    """The closing report of the other bootstraps."""
    table = Table(show_header=False)
    for alias, made in report.indices.items():
        table.add_row(alias, made)
    for alias, count in report.documents.items():
        table.add_row(f"documents in {alias}", f"{count:,}")
    for reason, count in sorted(report.rejects.items()):
        table.add_row(f"left out: {reason}", f"{count:,}")
    table.add_row("time", f"{report.seconds:.1f} s")
    console.print(table)
    _print_rejects_file(console, report.rejects_file)


def _print_rejects_file(console: Console, path: str | None) -> None:
    if path:
        console.print(f"What was left out, with line numbers and reasons: {path}", soft_wrap=True)


def print_rules(console: Console) -> None:
    """Every preprocessing step with its rules."""
    steps = Table(
        "step", "what it does", title="Steps, in this order; switch one off with --no-STEP", title_justify="left"
    )
    for name, what in STEPS.items():
        steps.add_row(name.replace("_", "-"), what)
    units = Table(
        "meaning", "written as", "spellings understood (patterns)", "example", title="Units", title_justify="left"
    )
    for unit in UNIT_RULES:
        units.add_row(unit.meaning, unit.shape.format("N"), escape(unit.spellings), unit.example)
    fills = Table("field", "taken from the first of", "else", title="Missing fields", title_justify="left")
    fills.add_row("id", ", ".join(ID_SOURCES), "a hash of the record")
    for rule in FILL_RULES:
        fills.add_row(
            rule.field, ", ".join(rule.sources), "stays missing" if rule.default is None else str(rule.default)
        )
    for table in (steps, units, fills):
        console.print(table)
    console.print("A record without a title after that, or with a price that is no number, goes to the rejects file.")
