"""Stale results: those of a shipped method that predicts otherwise today.

A kept row keeps the revisions that made it. Where the method's revision has been raised since, its predictions are no
longer what a run gives, and the row says so; it is current again once it is run again.
"""

from __future__ import annotations

from magbench.registry import Registry
from magbench.results.record import Record


def stale_components(record: Record, registry: Registry) -> dict[str, tuple[int, int]]:
    """Component → the revision that made the record and today's, for the shipped ones that were raised since."""
    found = {}
    for name, revision in record.method.revisions.items():
        entry = registry.methods.get(name)
        if entry is not None and entry.shipped and isinstance(revision, int) and revision != entry.spec.revision:
            found[name] = revision, entry.spec.revision
    return found


def is_stale(record: Record, registry: Registry) -> bool:
    """Whether a shipped component of the method has another revision today."""
    return bool(stale_components(record, registry))
