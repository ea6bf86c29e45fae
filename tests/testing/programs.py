"""Small programs for the lab, and what its tests share."""

from collections.abc import Callable, Coroutine
from typing import Any

import rescind
from rescind.testing import Lab, Run

Main = Callable[[], Coroutine[Any, Any, Any]]


def run(main: Main, **options: Any) -> Run[Any]:
    """Make one run."""
    return Lab(main, **options).run()


async def say(said: list[str], word: str, times: int = 1) -> None:
    """Say a word, and yield after each time but the last."""
    for number in range(times):
        if number:
            await rescind.yield_now()
        said.append(word)


def three(times: int = 1) -> Main:
    """Return a program in which a, b and c say their names; its value is what was said."""

    async def main() -> str:
        said: list[str] = []
        async with rescind.task_group(name="three") as g:
            for word in "abc":
                g.spawn(say(said, word, times), name=word)
        return "".join(said)

    return main
