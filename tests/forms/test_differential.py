"""No behavior differs between the forms: what programs tell is compared.

With and without cancellations: outcomes, the words of reasons and their places, tracebacks, the
steps of tasks, every event with its time, dumps, what is logged, the counters.
"""

import json
import pickle
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rescind.testing.lab.injection import Kind
from rescind.testing.laws import prog
from rescind.testing.laws import settings as lab_settings
from tests.forms.both import Run
from tests.forms.kit import needs_both, ran, start

#: So many programs are played.
RUNS = 120


def runs(count: int) -> list[Run]:
    """Return so many runs that differ, always the same ones."""
    found: dict[str, Run] = {}

    @seed(6)
    @settings(
        max_examples=5 * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.builds(
            Run,
            prog(size=12),
            lab_settings(kinds=tuple(Kind)),
            st.sampled_from([None, None, 0.0, 1.0]),
            st.sampled_from([None, 0, 1, 2, 3, 5, 8]),
        )
    )
    def collect(run: Run) -> None:
        if len(found) < count:
            found[repr(run)] = run

    collect()
    assert len(found) == count
    return list(found.values())


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """Return where two pieces of data differ first, and how."""
    keys: Any = ()
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        keys = range(len(one))
    inside = (difference(one[key], other[key], f"{path}[{key!r}]") for key in keys)
    found = next((where for where in inside if where is not None), None)
    return found if keys or one == other else f"{path}\ncompiled: {one}\nplain: {other}"


@needs_both
def test_no_behavior_differs() -> None:
    """Each generated program gives the same, byte by byte, compiled and as plain Python."""
    played = runs(RUNS)
    given = pickle.dumps(played)
    both = [start(pure, "-m", "tests.forms.both") for pure in (None, "1")]

    compiled, plain = [ran(process, given).splitlines() for process in both]

    assert [json.loads(lines[0])["compiled"] for lines in (compiled, plain)] == [True, False]
    assert len(compiled) == len(plain) == RUNS + 1
    for run, one, other in zip(played, compiled[1:], plain[1:], strict=True):
        assert one == other, f"{run}\n{difference(json.loads(one), json.loads(other))}"
