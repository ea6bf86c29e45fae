"""Runs a program with warnings on, and collects what they say."""

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

import rescind


class Said(logging.Handler):
    """What was warned of, without what differs from run to run: ids, lines, numbers of seconds."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.raw: list[str] = []  # as it was said

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno == logging.WARNING, record.getMessage()
        self.raw.append(record.getMessage())
        self.lines.append(plain(record.getMessage()))

    async def until(self, part: str) -> None:
        """Wait until a line with this part was said."""
        async with rescind.deadline(60):
            while not any(part in line for line in self.lines):
                await rescind.sleep(0.005)

    def run(
        self,
        main: Callable[[], Coroutine[Any, Any, Any]],
        warn: bool | rescind.Warnings | None = True,
        **options: Any,
    ) -> list[str]:
        """Run it with these warnings; return what they said."""
        logger = logging.getLogger("rescind")
        logger.addHandler(self)
        logger.propagate, before = False, logger.propagate
        try:
            rescind.run(main, warn=warn, **options)
        finally:
            logger.propagate = before
            logger.removeHandler(self)
        return self.lines


def plain(text: str) -> str:
    """Take out ids, numbers of seconds and lines."""
    text = re.sub(r"task \d+", "task N", text)
    text = re.sub(r"\d+\.\d s\b", "N s", text)
    return re.sub(r"tests/warn/\w+\.py:\d+", "FILE:N", text)


def only(**settings: Any) -> rescind.Warnings:
    """Return settings that warn of these alone."""
    off: dict[str, Any] = dict.fromkeys(("slow_poll", "slow_cleanup", "shield_held"))
    off |= dict.fromkeys(("absorbed", "hangs", "never_awaited"), False)
    return rescind.Warnings(**(off | settings))
