"""Who was erased while a build was at work must not come back with what it read of them before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from middleware.learning.profiles.folding import Buckets
from middleware.learning.profiles.keeper import ProfileKeeper
from middleware.learning.profiles.runs import USER, user_bytes
from middleware.personalization.identity import Identity


def remove_erased(keeper: ProfileKeeper, clients: Iterable[str], identity: Identity, buckets: Buckets) -> int:
    """Remove the profiles of those who are none of `clients`, names or hashes, any more; how many those were.

    To be called once everything is written: who is erased later is erased from what is written, too.
    """
    known = np.array([user_bytes(identity.hash(name)) for name in clients if name.strip()], dtype=USER)
    removed = 0
    for number in range(buckets.count):
        names = [name for name, _ in buckets.documents(number)]
        users = np.array([user_bytes(name) for name in names], dtype=USER)
        gone = [names[row] for row in np.flatnonzero(~np.isin(users, known))]
        if gone:
            keeper.remove(gone)
        removed += len(gone)
    return removed
