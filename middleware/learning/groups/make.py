"""The one door to training groups: judgments, behaviour and invented queries, completed with mined documents."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from middleware.errors import CommandError
from middleware.learning.groups.behaviour_log import BehaviourOptions
from middleware.learning.groups.drafts import Completion, Draft, Label, Others, Wanted, finish, make_draft
from middleware.learning.groups.group import Group
from middleware.learning.groups.labelled_queries import Judgments, wanted_of_behaviour, wanted_of_judgments
from middleware.learning.groups.mining import Candidate, Mix, read_candidates
from middleware.learning.groups.shop_documents import Document, draw_documents
from middleware.learning.groups.teachers import MixedTeacher, Teacher
from middleware.learning.invention.augmentation import Augmentation, augment, read_synonyms
from middleware.learning.invention.inventor import Invented, Inventor
from middleware.learning.shop import Shop, section_of
from middleware.learning.step_bar import Step

_POOL = 5000
# So many in a row that were invented before: the catalogue has no more to say.
_MOST_REPEATED = 2000
_MOST_REFUSED = 5


@dataclass(frozen=True, slots=True)
class Sources:
    """What groups are made of; at least one of them.

    `judgments` with `max_grade` (None: the highest grade there is). `behaviour`: the file of a UBI log (index<TAB>json,
    bulk form or JSON lines, .gz too), or the name of an index of UBI events. `queries`: real ones that nobody labelled.
    `invented`: how many queries to invent from the catalogue. `synonyms`: a file as Elasticsearch's. `teacher`: says
    what unlabelled documents are worth; None: the first stage and the starter bi-encoder mixed.
    """

    judgments: Judgments | None = None
    max_grade: float | None = None
    behaviour: Path | str | None = None
    queries: Sequence[str] = ()
    invented: int = 0
    synonyms: Path | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How a group is completed. Of its window: `hard` of the first hits, `middle` of the others; `random` products.

    `labelled`: most documents with a label of their own. `others`: what the mined ones are worth, what the teacher says
    or 0; where 0, hits that the teacher finds nearly as good as the positives (`guard` times their mean; None: all are
    taken, and no teacher is asked) are left out: they may be answers that nobody labelled. `source`: of an invented
    query, how far its product's target is moved from the teacher's towards 1; `near_miss`: its target where a trait was
    swapped; `least_answer`: where the teacher says less of it, the query makes no sense and is left out.
    """

    labelled: int = 40
    hard: int = 10
    middle: int = 4
    random: int = 2
    others: Others = "teacher"
    guard: float | None = 0.9
    source: float = 0.5
    near_miss: float = 0.25
    least_answer: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    behaviour: BehaviourOptions = field(default_factory=BehaviourOptions)
    seed: int = 0

    @property
    def completion(self) -> Completion:
        """The part that says how drafts become groups."""
        return Completion(
            Mix(self.hard, self.middle, self.random), self.labelled, self.others, self.guard, self.least_answer
        )


@dataclass(frozen=True, slots=True)
class GroupSet:
    """Groups in a fixed order, what became of all that was read (what -> how many), and what else is worth knowing."""

    groups: Sequence[Group]
    used: Mapping[str, int]
    dropped: Mapping[str, int]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join([f"used: {_counted(self.used)}", f"left out: {_counted(self.dropped)}", *self.notes])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"


def make_groups(shop: Shop, sources: Sources, options: GroupOptions, step: Step) -> GroupSet:
    """Training groups of a shop: judged ones first, then behaviour's, unlabelled, invented ones, then all variants.

    The same for the same index, sources and seed. Raises CommandError, with the counts of what was left out and why,
    where no group is left, and ConfigError for a file that cannot be read.
    """
    maker = _Maker(shop, options, step)
    synonyms = read_synonyms(sources.synonyms) if sources.synonyms else {}
    drafts = [*maker.labelled(sources), *maker.unlabelled(sources.queries), *maker.invented(sources.invented)]
    teacher = sources.teacher or MixedTeacher()
    groups = list(finish(drafts, options.completion, teacher, step, maker.dropped))
    for group in groups:
        maker.used[f"{group.origin} queries"] += 1
        maker.used["documents with a given label"] += sum(group.given)
        maker.used["mined documents"] += len(group.given) - sum(group.given)
    variants = list(augment(groups, options.augmentation, synonyms, random.Random(options.seed)))
    maker.used["misspelt or synonymous variants"] += len(variants)
    made = GroupSet([*groups, *variants], dict(maker.used), dict(maker.dropped), maker.notes)
    if not groups:
        raise CommandError(f"nothing is left to learn from; left out: {_counted(made.dropped)}")
    return made


class _Maker:
    """Drafts of one call: the shop, the documents drawn from it, and the counts."""

    def __init__(self, shop: Shop, options: GroupOptions, step: Step) -> None:
        self._shop, self._options, self._step = shop, options, step
        self._rng = random.Random(options.seed)
        self._pool = draw_documents(shop, _POOL, options.seed)
        self.used: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []
        self._answered = self._refused = 0

    def labelled(self, sources: Sources) -> Iterator[Draft]:
        """Drafts of what people said, by judging or by behaving."""
        wanted: list[Wanted] = []
        known: dict[str, Document] = {}
        if sources.judgments is not None:
            found = wanted_of_judgments(self._shop, sources.judgments, sources.max_grade, self.dropped)
            wanted += found.wanted
            known |= found.documents
        if sources.behaviour is not None:
            found = wanted_of_behaviour(self._shop, sources.behaviour, self._options.behaviour, self.dropped)
            wanted += found.wanted
            known |= found.documents
            self.notes += found.notes
        for done, each in enumerate(wanted):
            self._step("searching for labelled queries", done, len(wanted))
            yield self._draft(each, known)

    def unlabelled(self, queries: Sequence[str]) -> Iterator[Draft]:
        """Drafts of real queries that find something."""
        distinct = {" ".join(query.split()).casefold(): " ".join(query.split()) for query in reversed(queries)}
        for done, query in enumerate(reversed(distinct.values())):
            self._step("searching for unlabelled queries", done, len(distinct))
            draft = self._draft(Wanted(query, "unlabelled", {}), {}) if query else None
            if draft is None or not draft.has_hits:
                self.dropped["unlabelled queries that find nothing"] += 1
            else:
                yield draft

    def invented(self, count: int) -> Iterator[Draft]:
        """Drafts of `count` invented queries, no two alike; fewer where the catalogue gives no more."""
        if not count:
            return
        inventor = Inventor(self._pool, section_of(self._shop.index, self._shop.settings), self._rng)
        made, repeated, seen = 0, 0, set[str]()
        for each in self._with_variants(inventor):
            if made == count or repeated == _MOST_REPEATED:
                break
            if each.text.casefold() in seen:
                repeated += 1
                continue
            repeated = 0
            seen.add(each.text.casefold())
            self._step("searching for invented queries", made, count)
            draft = self._draft(self._wanted(each), {each.document.document_id: each.document})
            if draft.has_hits:
                made += 1
                yield draft
            else:
                self.dropped["invented queries that find nothing"] += 1
        self.dropped["invented queries short of those asked for"] += count - made

    def _with_variants(self, inventor: Inventor) -> Iterator[Invented]:
        augmentation = self._options.augmentation
        for each in inventor.queries():
            yield each
            variant = inventor.variant(each, drop=augmentation.drop, swap=augmentation.swap)
            if variant is not None:
                yield variant

    def _wanted(self, each: Invented) -> Wanted:
        options = self._options
        label = Label(1.0, options.source, given=False) if each.is_answer else Label(options.near_miss, given=False)
        return Wanted(each.text, "invented", {each.document.document_id: label}, family=each.family)

    def _draft(self, wanted: Wanted, known: Mapping[str, Document]) -> Draft:
        return make_draft(
            wanted, self._window(wanted.query_text), known, self._pool, self._options.completion, self._rng
        )

    def _window(self, query_text: str) -> list[Candidate]:
        """A query's hits. One that the cluster refuses, as `query_string` does some, is counted; many are raised."""
        try:
            window = read_candidates(self._shop, query_text)
        except CommandError:
            self._refused += 1
            if self._refused > _MOST_REFUSED + self._answered // 10:
                raise
            self.dropped["searches that the cluster refused"] += 1
            return []
        self._answered += 1
        return window
