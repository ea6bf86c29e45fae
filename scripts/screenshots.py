#!/usr/bin/env python3
"""Make the pictures in docs/images: pages in a browser without a window, and `rescind top`.

    screenshots.py [WORD]    WORD: only the pictures with it in their names

The report is that of examples/request_tree.py, recorded in virtual time, so that it is the same
each time. `rescind top` looks at examples/watched_service.py, which really runs meanwhile. It needs
Chromium; the picture of a terminal needs none.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Final

import rescind
from rescind._host.manual import ManualHost
from rescind.cli.top.app import TopApp
from rescind.top.places import DIRECTORY_VARIABLE, Address
from rescind.trace import Recorder
from rescind.trace.html import as_html

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images"
EXAMPLES: Final = ROOT / "examples"
#: What a step of the program costs in virtual time, in nanoseconds.
STEP: Final = 60_000
PATIENCE: Final = 60.0
#: For how long `rescind top` looks before anything is pressed, in seconds: it shows how that went.
HISTORY: Final = 12.0
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Missing(Exception):
    """Something that is needed is not installed. The message says what."""


# -- pages in a browser ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Shot:
    """A picture of the report.

    Attributes:
        theme: ``light`` or ``dark``.
        size: of the window, in CSS pixels.
        use: what is done in the page before, in JavaScript.
    """

    theme: str
    size: tuple[int, int]
    use: str = ""

    def take(self, page: str, file: Path) -> None:
        """Open the page, use it, and write the picture."""
        script = f"document.documentElement.dataset.theme = '{self.theme}';"
        head = f"<script>{script}</script><title>"
        after = f"<script>requestAnimationFrame(() => {{ {self.use} }});</script></body>"
        page = page.replace("<title>", head, 1).replace("</body>", after, 1)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "page.html")
            source.write_text(page, encoding="utf-8")
            width, height = self.size
            flags = (
                *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
                *("disable-sync", "disable-background-networking", "disable-component-update"),
                *("hide-scrollbars", "force-device-scale-factor=1.25", "font-render-hinting=none"),
                *(f"user-data-dir={folder}/profile", f"window-size={width},{height}"),
                *("virtual-time-budget=5000", f"screenshot={file}"),
            )
            command = [chromium(), *(f"--{flag}" for flag in flags), source.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


def chromium() -> str:
    """Return the path of a browser.

    Raises:
        Missing: there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise Missing(f"no browser is installed; looked for {', '.join(names)}")
    return found


def report() -> str:
    """Return the page of an example."""
    example = load("request_tree")
    host = ManualHost()
    last = 0

    def clock() -> int:
        nonlocal last
        last = max(last + STEP, round(host.now() * 1e9))
        return last

    recorder = Recorder(clock=clock)
    silent = redirect_stdout(io.StringIO())
    with silent, rescind.Runtime(host=host, name="main") as runtime, recorder:
        runtime.block_on(example.main())
    trace = recorder.trace()
    header = replace(trace.header, program="request_tree.py", pid=4242, started=1_767_225_600.0)
    return as_html(replace(trace, header=header))


def load(name: str) -> ModuleType:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- a terminal -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A picture of `rescind top`.

    Attributes:
        size: of the terminal, in columns and lines.
        keys: what is pressed before.
        until: what has to be seen then, on one line: the picture is that of this moment.
    """

    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    until: str = ""

    async def take(self, address: Address) -> str:
        """Look at a program, press the keys, and return the picture."""
        app = TopApp(".", locate=lambda _named: address)
        async with app.run_test(size=self.size) as pilot:
            await pilot.pause(HISTORY)
            for key in self.keys:
                await pilot.press(key)
                await pilot.pause(0.1)
            await pilot.pause(1.5)
            async with asyncio.timeout(PATIENCE):
                while not re.search(self.until, seen(app)):
                    await pilot.pause(0.05)
            await pilot.pause(0.1)  # the explanation comes after the table
            return trimmed(app.export_screenshot(title="rescind top"))


def seen(app: TopApp) -> str:
    """Return the text of the table that is in sight."""
    lines = [app.rows.render_line(y).text for y in range(app.rows.size.height)]
    return "\n".join(lines)


def trimmed(picture: str) -> str:
    """Return the picture without what it would fetch from a network: its font."""
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code, monospace", FONTS).replace("Fira Code", FONTS)
    picture = re.sub(r"terminal-\d+-", "t-", picture)
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE).replace("\n\n", "\n")


@contextmanager
def service() -> Generator[Address]:
    """Run the example that can be looked at; yield where it is."""
    with tempfile.TemporaryDirectory(prefix="top-") as folder:
        directory = Path(folder, "run")
        environment = os.environ | {
            DIRECTORY_VARIABLE: str(directory),
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-m", "rescind", "run", "--no-warn", "watched_service.py"]
        with subprocess.Popen(
            command, cwd=EXAMPLES, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()  # it has begun
                yield Address(path=str(directory / f"{process.pid}.sock"))
            finally:
                process.kill()


# -- all of them ----------------------------------------------------------------------------------

#: Chooses the task that was shielded, in the tree of reasons; leaves the timeline.
CHOOSE: Final = """
    const links = [...document.querySelectorAll(".root .link")];
    links.find((one) => one.textContent === "payment").click();
    const rest = document.querySelectorAll(".hero, #why, #slowest, #late, footer");
    for (const part of rest) part.remove();
"""
#: A child of the request that is chosen cleans up.
RACE_LOST: Final = r"request \d+ .*(\n +child .*)*\n +child .* cleaning up "

SHOTS: Final = {
    "report-light.png": Shot("light", (1280, 970)),
    "report-dark.png": Shot("dark", (1280, 970)),
    "timeline-light.png": Shot("light", (1280, 964), CHOOSE),
    "timeline-dark.png": Shot("dark", (1280, 964), CHOOSE),
}
SCENES: Final = {
    "top.svg": Scene((100, 30), ("down", "down"), "request"),
    "top-tree.svg": Scene((100, 30), ("t", "down", "down", "down"), RACE_LOST),
    "top-cancel.svg": Scene((80, 24), (*["down"] * 5, "c", *"too", "space", *"slow")),
    "top-ended.svg": Scene((100, 24), ("e",)),
}


async def scenes(names: list[str]) -> None:
    """Take the pictures of terminals, all at once."""
    with service() as address:
        pictures = await asyncio.gather(*(SCENES[name].take(address) for name in names))
    for name, picture in zip(names, pictures, strict=True):
        (IMAGES / name).write_text(picture, encoding="utf-8")
        tell(name)


def tell(name: str) -> None:
    """Say that a picture is there, and how large."""
    print(f"{(IMAGES / name).stat().st_size / 1000:7.0f} kB  docs/images/{name}", flush=True)


def main(words: list[str]) -> int:
    """Make those with one of the words in their names, or all."""
    wanted = [name for name in (*SHOTS, *SCENES) if not words or any(w in name for w in words)]
    IMAGES.mkdir(exist_ok=True)
    os.chdir(EXAMPLES)  # for the names of files in the pictures
    shots = [name for name in wanted if name in SHOTS]
    try:
        page = report() if shots else ""
        for name in shots:
            SHOTS[name].take(page, IMAGES / name)
            tell(name)
    except Missing as exc:
        print(f"screenshots: {exc}", file=sys.stderr)
        return 1
    asyncio.run(scenes([name for name in wanted if name in SCENES]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
