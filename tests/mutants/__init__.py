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
SMOKE: frozenset[str] = frozenset()
