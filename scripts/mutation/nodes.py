"""The names by which pytest knows what a mutant calls its killers."""

from __future__ import annotations

import re

from rescind.testing.laws.all import laws

__all__ = ["nodes_of"]


def nodes_of(killers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what pytest calls these: ``P15`` are the functions of that law, others stay."""
    found: list[str] = []
    for killer in killers:
        number = re.fullmatch(r"P(\d+)", killer)
        if number is None:
            found.append(killer if killer.startswith("tests/") else f"tests/{killer}")
            continue
        stated = [one for one in laws() if one.number == int(number[1])]
        if not stated:
            raise ValueError(f"there is no law {killer}")
        found += [
            f"tests/laws/test_{one.group}.py::test_law[{one.name.replace(' ', '-')}]"
            for one in stated
        ]
    return tuple(dict.fromkeys(found))
