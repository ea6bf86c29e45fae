"""The page: it needs nothing else, shows everything, and nothing that a program says is markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rescind.check.html import as_html, page_data
from rescind.check.listing import excerpts, highlight
from rescind.check.points import Instant, Mode
from rescind.check.report import Report, Verdict
from tests.check.reports import APP, example, finding, plan, point

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'`{{data}}&amp; \x1b[0m"
VOID = {"meta", "input", "link", "br", "img"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and notes its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)


def read(page: str) -> Reader:
    """Parse a page."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def data_of(page: str) -> dict[str, Any]:
    """Return the report in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def hostile() -> Report:
    """Return a report in which everything that a program says is an attack."""
    report = Report(HOSTILE, runs=1)
    stack = (f"{HOSTILE}.py:3 in f{HOSTILE}",)
    one = finding(
        "follow-up",
        HOSTILE,
        plan(point(stack, 1, f"root/{HOSTILE}")),
        f"returned {HOSTILE}",
        f"returned {HOSTILE * 2000}",
        remedy=HOSTILE,
    )
    report.findings = report.confirmed = [one]
    report.mark(one.plan, Verdict.BROKEN)
    report.unresolved[plan(point(stack, 2))] = HOSTILE
    report.set_aside = {HOSTILE: HOSTILE}
    return report


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Return the example, in the folder where its program is."""
    monkeypatch.chdir(tmp_path)
    return example(tmp_path)


def test_page_is_well_formed_and_whole(report: Report) -> None:
    """All elements are closed, and each part was filled in."""
    reader = read(as_html(report))

    assert [] == reader.open
    assert {"html", "head", "style", "body", "main", "noscript", "script"} <= {*reader.elements}
    assert "{{" not in as_html(report).replace("{{data}}", "")


def test_page_names_nothing_outside_itself(report: Report) -> None:
    """No address, no file: it works where there is no network, and tells nobody."""
    page = as_html(report)
    reader = read(page)
    shell = page.replace(json.dumps(data_of(page)), "")

    assert not re.search(r"(?i)\b(?:https?|wss?|ftp):|//[a-z0-9-]+\.[a-z]{2}|@import|url\(", shell)
    assert {"src", "srcset", "action", "formaction"}.isdisjoint(
        name for name, _ in reader.attributes
    )
    assert all(value.startswith("#") for name, value in reader.attributes if name == "href")
    policy = next(value for _, value in reader.attributes if value.startswith("default-src"))
    assert ("http-equiv", "Content-Security-Policy") in reader.attributes
    assert policy.startswith("default-src 'none';")


def test_hostile_strings_stay_text() -> None:
    """H1: nothing of them is an element, an attribute, or the end of the data."""
    harmless = read(as_html(Report("x")))
    page = as_html(hostile())
    reader = read(page)

    assert sorted(harmless.elements) == sorted(reader.elements)
    assert sorted(harmless.attributes) == sorted(reader.attributes)
    assert "alert(1)" in data_of(page)["target"]
    assert "<img" not in page
    assert "\x1b" not in page


def test_any_text_can_be_written() -> None:
    """Lone surrogates, separators and non-characters neither end the page nor its writing."""
    report = Report("\ud800 \u2028 \uffff \x00", runs=1)
    one = finding("noise", "\udfff", plan(point(("\udcff.py:1 in f",))), "\u2029")
    report.findings = report.confirmed = [one]
    report.mark(one.plan, Verdict.BROKEN)

    page = as_html(report)

    assert page.encode("utf-8", "backslashreplace")
    assert "\\ud800" in data_of(page)["target"]


def test_page_tells_all_of_the_report(report: Report) -> None:
    """Findings by place, the cells with what broke there, the coverage with its source."""
    data = page_data(report, report.coverage.files())

    assert ("broken", 1, 1) == (data["verdict"], data["broken"], data["hints"])
    first = data["groups"][0]
    assert "lib/q.py:4 in Queue.get" == first["place"]
    assert ["follow-up", "tasks left"] == [one["detector"] for one in first["findings"]]
    assert ["", "own", "here"] == [one["kind"] for one in first["findings"][0]["stack"]]
    assert "return await self.queue.get()" == first["findings"][0]["stack"][1]["source"]
    row = next(one for one in data["matrix"]["rows"] if one["place"] == first["place"])
    columns = [(one["mode"], one["instant"]) for one in data["matrix"]["columns"]]
    parked = columns.index((Mode.ASYNCIO.value, Instant.PARKED.value))
    told = [data["matrix"]["notes"][number] for number in row["cells"][parked][1:]]
    assert "b" == row["cells"][parked][0]
    assert ["prompt", "follow-up"] == [note.partition(":")[0] for note in told]
    (file,) = data["files"]
    assert ("app.py", 60) == (file["name"], file["percent"])
    assert ["8", "9", "13", "14", "15"] == list(file["awaits"])
    assert APP.splitlines() == [
        "".join(text for _, text in line) for part in file["parts"] for line in part["lines"]
    ]


def test_rows_and_findings_of_a_place_have_one_name(report: Report) -> None:
    """Choosing a row finds its findings, also where the place is the start of a task."""
    report.mark(plan(point(("app.py:8 in fetch",), 1, "root/1")), Verdict.SURVIVED)
    data = page_data(report, [])

    assert {one["place"] for one in data["groups"]} <= {
        row["place"] for row in data["matrix"]["rows"]
    }
    assert "the start of root/1 (fetch)" == data["groups"][1]["place"]


def test_page_without_script_has_the_text(report: Report) -> None:
    """A reader that runs no script still finds the report."""
    reader = read(as_html(report))

    assert "BROKEN  lib/q.py:4 in Queue.get" in "".join(reader.text["pre"])


# -- the listing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        APP,
        "",
        'x = """a\n  b\n"""  # c\n',
        "def f(:\n  'open",
        "\tif x:\n",
        "a = f'{b!r} {c}'\r\n\x0cx = 1\n",
        "é = 'ü'  # ö\n",
    ],
)
def test_highlighting_changes_no_text(text: str) -> None:
    """Whatever is colored, the lines are those of the file; also where it is no Python."""
    assert text.splitlines() == ["".join(part for _, part in line) for line in highlight(text)]


def test_highlighting_knows_the_kinds() -> None:
    """Keywords, names that are defined, strings, numbers, comments."""
    (line,) = highlight("async def f(x=1): return 'a'  # why\n")

    assert [
        ("k", "async"),
        ("k", "def"),
        ("d", "f"),
        ("n", "1"),
        ("k", "return"),
        ("s", "'a'"),
    ] == [part for part in line if part[0]][:6]
    assert ("c", "# why") == line[-1]


def test_long_files_are_cut_to_what_is_around_the_awaits() -> None:
    """Whole functions if they are short, else the lines around, with the function's first."""
    filler = "x = 1\n" * 200
    short = "async def f():\n    await x\n    return 1\n"
    long = "async def g():\n" + "    y = 2\n" * 99 + "    await z\n" + "    y = 3\n" * 50
    text = filler + short + filler + long

    assert [(201, 203), (404, 404), (498, 510)] == excerpts(text, [202, 504])
    assert [(1, len(APP.splitlines()))] == excerpts(APP, [9])
    outer = filler + "def h():\n" + "    y = 2\n" * 99 + "    async def inner():\n        await z\n"
    assert [(301, 302)] == excerpts(outer, [302])


# -- in a browser ---------------------------------------------------------------------------------

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

LISTEN = """<script>
window.wrong = [];
addEventListener("error", (event) => wrong.push(String(event.message)));
addEventListener("unhandledrejection", (event) => wrong.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => wrong.push(event.violatedDirective));
</script>"""

USE = """<script>
const seen = {};
const shown = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
const count = (selector) => shown(selector).length;
const type = (text) => { const box = document.getElementById("search"); box.value = text; box.dispatchEvent(new Event("input")); };
const press = (where, key) => where.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
seen.title = document.querySelector("h1").textContent;
seen.groups = count(".group");
seen.mark = document.querySelector(".right mark")?.textContent;
seen.scripts = document.querySelectorAll("main script, main img").length;
type("root/1"); seen.searched = count(".group");
type("nothing at all"); seen.none = count(".group") + ":" + count("#findings .none");
press(document.body, "Escape"); seen.escaped = count(".group");
const cell = document.querySelector(".cell.b");
cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
seen.told = document.getElementById("tell").textContent;
cell.dispatchEvent(new MouseEvent("mouseout", { bubbles: true }));
seen.untold = document.getElementById("tell").hidden;
cell.click(); seen.chosen = count(".group") + ":" + shown(".chip").map((one) => one.textContent).join();
shown(".cell.s").find((one) => one.mode === "twice")?.click(); seen.sound = count(".group");
press(document.body, "Escape"); seen.all = count(".group") + ":" + count(".chip");
const first = document.querySelector('.cell[tabindex="0"]');
first.focus(); press(first, "ArrowDown");
seen.down = document.activeElement.getAttribute("aria-label");
press(document.activeElement, "End"); press(document.activeElement, "ArrowRight");
seen.end = document.activeElement.getAttribute("aria-label");
press(document.body, "/"); seen.slash = document.activeElement.id;
document.getElementById("theme").click(); const one = getComputedStyle(document.body).backgroundColor;
document.getElementById("theme").click(); seen.themes = one !== getComputedStyle(document.body).backgroundColor;
seen.wide = document.documentElement.scrollWidth <= innerWidth;
seen.wrong = window.wrong;
const out = document.createElement("pre");
out.id = "seen"; out.textContent = JSON.stringify(seen);
document.body.append(out);
</script>"""  # noqa: E501 - it is another language


def browse(page: str, folder: Path, width: int = 1200) -> tuple[dict[str, Any], str]:
    """Open a page in a browser and use it; return what was seen, and what the console said."""
    dom, console = see(page, folder, USE, width)
    return json.loads(read_loosely(dom)), console


def see(page: str, folder: Path, use: str, width: int) -> tuple[str, str]:
    """Open a page in a browser with a script; return the page after it, and the console."""
    page = page.replace("<title>", f"{LISTEN}<title>", 1).replace("</body>", f"{use}</body>", 1)
    return opened(page, folder, width)


def opened(page: str, folder: Path, width: int) -> tuple[str, str]:
    """Open a page in a browser; return the page as it is then, and the console."""
    assert CHROMIUM is not None
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8", errors="backslashreplace")
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-sync"
    done = subprocess.run(
        [
            *(CHROMIUM, *(f"--{flag}" for flag in flags.split())),
            *("--disable-background-networking", "--disable-component-update"),
            *(f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"),
            *("--enable-logging=stderr", "--virtual-time-budget=5000"),
            *("--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(console)


def read_loosely(dom: str) -> str:
    """Return the text of the element that the test has added."""
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    assert found is not None, "the script did not come to its end"
    return unescape(found[1])


@needs_chromium
def test_page_works_in_a_browser(report: Report, tmp_path: Path) -> None:
    """Search, filters, hovering, keys and themes work, and the console stays empty."""
    report.mark(plan(mode=Mode.TWICE), Verdict.SURVIVED)
    seen, console = browse(as_html(report), tmp_path)

    assert {
        "title": "1 place broken",
        "groups": 2,
        "mark": "B",
        "scripts": 0,
        "searched": 1,
        "none": "0:1",
        "escaped": 2,
        "told": "asyncio, parked: brokenlib/q.py:4 in Queue.getprompt: the next use gets another "
        "result: a response that belongs to another requestfollow-up: 2 tasks still run",
        "untold": True,
        "chosen": "1:lib/q.py:4 in Queue.get under asyncio",
        "sound": 0,
        "all": "2:0",
        "down": "app.py:14 in scenario; asyncio, before the first poll: not tried",
        "end": "app.py:14 in scenario; timeout, parked: not tried",
        "slash": "search",
        "themes": True,
        "wide": True,
        "wrong": [],
    } == seen
    assert "" == console


@needs_chromium
def test_hostile_page_runs_nothing_in_a_browser(tmp_path: Path) -> None:
    """On a narrow screen, too: nothing is run, nothing is wider than the window."""
    seen, console = browse(as_html(hostile()), tmp_path, width=500)

    assert (0, 1, True, [], "") == (
        seen["scripts"],
        seen["groups"],
        seen["wide"],
        seen["wrong"],
        console,
    )
