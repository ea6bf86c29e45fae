"""The faults that `make mutants` puts into the source, to see who notices; see docs/mutants.md."""

from tests.mutants import combinators, core, driving, sync, tasks
from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS", "SMOKE", "Mutant"]

MUTANTS: tuple[Mutant, ...] = (
    *core.MUTANTS,
    *driving.MUTANTS,
    *combinators.MUTANTS,
    *tasks.MUTANTS,
    *sync.MUTANTS,
)

#: One of each kind, quick to be noticed: what `make mutants-smoke` tries.
SMOKE: frozenset[str] = frozenset(
    {
        "wake-in-a-poll-lost",
        "request-before-the-first-poll-lost",
        "grace-over-unheard",
        "value-lost-at-cancel",
        "shield-ignored",
        "losers-not-drained",
        "finalizer-error-lost",
        "late-child-runs",
        "joined-value-lost",
        "hand-over-forgotten",
        "gathered-permits-forgotten",
        "given-twice",
    }
)
