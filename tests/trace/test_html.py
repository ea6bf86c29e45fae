"""The page of a trace: it needs nothing else, tells the story, and draws only what is seen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rescind.trace import Story, Trace
from rescind.trace.events import Header
from rescind.trace.html import as_html, page_data, write_html
from tests.check.test_html import HOSTILE, data_of, needs_chromium, read, read_loosely, see

MS = 1_000_000


def reason(kind: str, message: str, cause: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a reason as it is in a trace."""
    where = None if cause else "app.py:7"
    return {
        "kind": kind,
        "message": message,
        "by": "task 1 'main'",
        "where": where,
        "at": 1.0,
        "cause": cause,
    }


def a_trace(tasks: int = 3, name: str = "fetch", dropped: int = 0) -> Trace:
    """Return the trace of a group whose tasks a deadline cancels; each cleans up a bit longer."""
    why = reason("deadline", f"the deadline of {name} has passed")
    events: list[tuple[Any, ...]] = [
        (0, "spawned", 1, "task", "main", None, None, 1),
        (0, "polled", 1),
        (0, "group_opened", 2, f"{name}s", 1),
    ]
    follows = reason("parent canceled", f"group '{name}s' was canceled", why)
    for index in range(tasks):
        cell = index + 3
        events += [
            (10, "spawned", cell, "task", f"{name} {index}", None, 1, cell),
            (10, "group_spawned", 2, cell),
            (20, "polled", cell),
            (MS, "parked", cell, "sleep(60)", f"{name}.py:4 in fetch"),
        ]
    events += [(2 * MS, "parked", 1, "join", None), (50 * MS, "group_canceled", 2, 1, follows)]
    events += [(50 * MS, "requested", index + 3, 1, follows) for index in range(tasks)]
    for index in range(tasks):
        cell, at = index + 3, 60 * MS
        events += [
            (at, "polled", cell),
            (at, "delivered", cell, follows, f"{name}.py:4", True),
            (at + 9, "parked", cell, "sleep(0.01)", f"{name}.py:6 in fetch"),
        ]
    for index in range(tasks):
        how = "completed" if index == 1 else "canceled"
        events.append((61 * MS + index * 1000, "ended", index + 3, how, None, index == 1))
    end = 70 * MS + tasks * 1000
    events += [(end, "group_closed", 2), (end, "ended", 1, "completed", None, False)]
    header = Header(1, 0, 1.7e9, f"{name}.py", 1, "3.11", "0.1")
    return Trace(header, tuple(events), dropped)


def a_lost_child(cell: int, why: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the events of a child of a race that lost it."""
    return [
        (cell, "spawned", cell, "child", f"child {cell}", None, None, None),
        (cell + 1, "requested", cell, None, why),
        (cell + 2, "ended", cell, "dropped", None, False),
    ]


def test_page_is_whole_and_names_nothing_outside_itself() -> None:
    """It works where there is no network, and forbids itself to look for one."""
    page = as_html(a_trace())
    reader = read(page)

    assert [] == reader.open
    shell = page.replace(json.dumps(data_of(page)), "")
    assert not re.search(r"(?i)\b(?:https?|wss?|ftp):|@import|url\(", shell)
    assert all(value.startswith("#") for name, value in reader.attributes if name == "href")
    assert any(value.startswith("default-src 'none';") for _, value in reader.attributes)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Nothing of them is an element or the end of the data, and any text can be written."""
    page = as_html(a_trace(name=HOSTILE))

    assert sorted(read(as_html(a_trace())).elements) == sorted(read(page).elements)
    assert any("alert(1)" in str(text) for text in data_of(page)["texts"])
    assert "<img" not in page
    assert "\x1b" not in page
    write_html(a_trace(name="\ud800"), tmp_path / "page.html")
    assert "\\ud800" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_times_texts_and_reasons_can_be_read_back() -> None:
    """Differences add up to the times, and numbers refer to what stands in the tables."""
    story = Story.of(a_trace(dropped=4))
    data = page_data(story)

    life, told = story.lives[4], data["lives"][2]
    times = [sum(told[12][: index + 1]) for index in range(len(told[12]))]
    assert [time for poll in life.polls for time in poll] == times
    assert [wait.begun for wait in life.waits] == [told[13][0], told[13][0] + told[13][6]]
    assert ["sleep(60)", "fetch.py:4 in fetch"] == [data["texts"][at] for at in told[13][2:4]]
    assert ("fetch 1", 1) == (data["texts"][told[2]], told[11])
    kind, message, _, _, _, cause = data["reasons"][told[14][0][2]]
    assert ("parent canceled", "group 'fetchs' was canceled") == (kind, message)
    assert "deadline" == data["reasons"][cause][0]
    assert (4, story.ended) == (data["dropped"], data["ended"])


def test_the_tree_leads_from_the_root_by_each_link_to_the_canceled() -> None:
    """One root for all that follows from it; those with the same way stand together."""
    data = page_data(Story.of(a_trace()))

    (root,) = data["why"]
    assert ("deadline", []) == (data["reasons"][root["reason"]][0], root["lives"])
    (link,) = root["next"]
    assert ("parent canceled", [3, 4, 5]) == (
        data["reasons"][link["reason"]][0],
        link["lives"],
    )


def test_ten_thousand_tasks_are_told_once_and_compactly() -> None:
    """Texts and reasons are shared: some hundred bytes a task."""
    page = as_html(a_trace(10_000))

    assert len(page) < 10_000 * 260
    assert 2 == len(data_of(page)["reasons"])


# -- in a browser ---------------------------------------------------------------------------------

# Without a screen there are no frames to wait for; and canvases are read here.
FRAMES = """<script>
window.requestAnimationFrame = (draw) => setTimeout(draw, 1);
const { getContext } = HTMLCanvasElement.prototype;
HTMLCanvasElement.prototype.getContext = function (kind) {
  return getContext.call(this, kind, { willReadFrequently: true });
};
</script>"""

USE = """<script>
const seen = {};
const frame = () => new Promise((done) => setTimeout(done, 20));
const shown = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
const key = (where, name) => where.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
const type = (text) => { const box = document.getElementById("search"); box.value = text; box.dispatchEvent(new Event("input")); };
const range = () => document.querySelector(".range").textContent;
const reds = () => { const ink = document.getElementById("rows").querySelector("canvas"); const all = ink.getContext("2d").getImageData(0, 0, ink.width, ink.height).data; let sum = 0; for (let at = 0; at < all.length; at += 4) sum += all[at] === 0xc4 && all[at + 1] === 0x27 && all[at + 2] === 0x1b; return sum; };
const mouse = (where, name, x, y, more) => where.dispatchEvent(new (name === "wheel" ? WheelEvent : PointerEvent)(name, { bubbles: true, cancelable: true, clientX: x, clientY: y, ...more }));
const use = async () => {
  await frame();
  const rows = document.getElementById("rows");
  const canvas = rows.querySelector("canvas");
  seen.title = document.querySelector("h1").textContent;
  seen.scripts = document.querySelectorAll("main script, main img").length;
  seen.why = shown(".root > summary b")[0].textContent;
  seen.more = shown(".more")[0]?.textContent;
  seen.rows = shown(".row").length;
  seen.total = document.querySelector(".chart .about b").textContent;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  seen.drawn = new Set([...new Uint32Array(pixels.buffer)]).size > 5;
  const box = canvas.getBoundingClientRect();
  mouse(rows, "mousemove", box.left + box.width * 0.3, box.top + 22 * 2 + 8); seen.told = document.getElementById("tell").innerText;
  mouse(rows, "mouseleave", 0, 0); seen.untold = document.getElementById("tell").hidden;
  const all = range();
  mouse(rows, "wheel", box.left + 50, box.top + 5, { deltaY: -200, ctrlKey: true }); await frame(); seen.zoomed = range() !== all;
  const close = range();
  mouse(canvas, "pointerdown", box.left + 300, box.top + 30, { button: 0 }); mouse(canvas, "pointermove", box.left + 200, box.top + 30); mouse(canvas, "pointerup", box.left + 200, box.top + 30);
  await frame(); seen.dragged = range() !== close && !document.querySelector(".panel");
  key(rows, "0"); await frame(); seen.fitted = range() === all;
  key(rows, "+"); await frame(); seen.plus = range() !== all; const plus = range();
  key(rows, "ArrowRight"); await frame(); seen.right = range() !== plus;
  const right = range(); mouse(rows, "wheel", box.left + 50, box.top + 5, { deltaX: -30 }); await frame(); seen.wheeled = range() !== right; key(rows, "0"); await frame();
  const red = reds();
  mouse(canvas, "pointerdown", box.left + 30, box.top + 22 * 2 + 8, { button: 0 }); mouse(canvas, "pointerup", box.left + 30, box.top + 22 * 2 + 8);
  await frame(); seen.arrow = reds() - red > 15; seen.panel = document.querySelector(".panel h3")?.textContent; seen.because = [...document.querySelectorAll(".because li")].map((one) => one.firstChild.textContent);
  key(rows, "ArrowDown"); await frame(); seen.next = document.querySelector(".panel h3").textContent;
  key(document.body, "Escape"); seen.closed = document.querySelector(".panel") === null;
  type("1 deadline"); await frame(); seen.searched = document.querySelector(".chart .about b").textContent;
  type("nothing at all"); await frame(); seen.none = document.querySelector(".nothing").hidden; type("");
  document.querySelector('[data-out="absorbed"]').click(); await frame(); seen.absorbed = shown(".row").map((one) => one.querySelector(".label").textContent);
  key(document.body, "Escape"); await frame();
  document.querySelector(".row .fold").click(); await frame(); seen.folded = shown(".row").length;
  document.querySelector(".row .fold").click(); await frame();
  rows.scrollTop = rows.scrollHeight; rows.dispatchEvent(new Event("scroll")); await frame(); await frame(); seen.bottom = shown(".row").length + ":" + shown(".row").at(-1).querySelector(".label").textContent;
  seen.slowest = [...document.querySelectorAll("#slowest tbody tr")].map((one) => one.cells[1].textContent);
  document.querySelector("#slowest thead th:nth-child(2) button").click(); seen.sorted = document.querySelector("#slowest tbody tr").cells[1].textContent;
  const one = getComputedStyle(document.body).backgroundColor; document.getElementById("theme").click();
  seen.themes = one !== getComputedStyle(document.body).backgroundColor;
  key(document.body, "/"); seen.slash = document.activeElement.id;
  seen.wide = document.documentElement.scrollWidth <= innerWidth;
};
use().catch((error) => wrong.push(String(error))).then(() => {
  seen.wrong = window.wrong;
  const out = document.createElement("pre");
  out.id = "seen"; out.textContent = JSON.stringify(seen);
  document.body.append(out);
});
</script>"""  # noqa: E501 - it is another language


def browse(trace: Trace, folder: Path, width: int = 1300) -> dict[str, Any]:
    """Open the page in a browser and use it; return what was seen."""
    page = as_html(trace).replace("<title>", f"{FRAMES}<title>", 1)
    dom, console = see(page, folder, USE, width)
    assert "" == console
    seen: dict[str, Any] = json.loads(read_loosely(dom))
    return seen


@needs_chromium
def test_page_works_in_a_browser(tmp_path: Path) -> None:
    """Hovering, choosing, zooming, search, folding, sorting, keys and themes; no console error."""
    seen = browse(a_trace(), tmp_path)

    assert {
        "title": "4 tasks, 3 asked to cancel",
        "scripts": 0,
        "why": "deadline: the deadline of fetch has passed",
        "more": "1 more like it",
        "rows": 5,
        "total": "5 rows",
        "drawn": True,
        "told": "task 3 'fetch 0'\nwaiting 59 ms for sleep(60), at fetch.py:4 in fetch\n"
        "canceled: deadline: the deadline of fetch has passed",
        "untold": True,
        **dict.fromkeys(["zoomed", "dragged", "fitted", "plus", "right", "wheeled", "arrow"], True),
        "panel": "task 3 'fetch 0'",
        "because": [
            "parent canceled: group 'fetchs' was canceled",
            "deadline: the deadline of fetch has passed",
        ],
        "next": "task 4 'fetch 1'",
        "closed": True,
        "searched": "3 of 4",
        "none": False,
        "absorbed": ["main", "group fetchs", "fetch 1"],
        "folded": 1,
        "bottom": "5:fetch 2",
        "slowest": ["1 ms", "1 ms", "1 ms"],
        "sorted": "1 ms",
        "themes": True,
        "slash": "search",
        "wide": True,
        "wrong": [],
    } == seen


@needs_chromium
@pytest.mark.parametrize("width", [800, 1300])
def test_of_ten_thousand_tasks_only_those_seen_are_drawn(tmp_path: Path, width: int) -> None:
    """At the top and at the end of the rows, as many as fit; the tables are cut, too."""
    seen = browse(a_trace(10_000), tmp_path, width)

    assert "10,002 rows" == seen["total"]
    assert seen["rows"] < 60
    count, _, name = seen["bottom"].partition(":")
    assert (True, "fetch 9999") == (int(count) < 60, name)
    assert "9,998 more like it" == seen["more"]
    assert 100 == len(seen["slowest"])
    assert (True, []) == (seen["wide"], seen["wrong"])


@needs_chromium
def test_roots_that_are_alike_share_a_card(tmp_path: Path) -> None:
    """A server in which thousands of races are lost has one card for them, and shows more."""
    lost = [reason("race lost", f"lost to child {number}") for number in range(300)]
    events = [event for cell in range(1, 301) for event in a_lost_child(cell, lost[cell - 1])]
    trace = Trace(a_trace().header, tuple(events))
    use = """<script>
    const count = () => document.querySelectorAll(".root").length;
    const more = document.querySelector(".others .more");
    const seen = [count(), more.textContent]; more.click(); seen.push(count());
    const out = document.createElement("pre");
    out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
    </script>"""

    dom, console = see(as_html(trace), tmp_path, use, 1200)

    assert "" == console
    assert [1, "299 more like it, with 299 canceled", 100] == json.loads(read_loosely(dom))


@needs_chromium
@pytest.mark.parametrize(
    ("events", "title"),
    [
        ((), "Nothing was recorded"),
        (
            (*a_lost_child(1, reason("race lost", "lost"))[1:], (9, "parked", 7, "", None)),
            "2 tasks",
        ),
    ],
)
def test_traces_with_little_in_them_are_shown(
    tmp_path: Path, events: tuple[tuple[Any, ...], ...], title: str
) -> None:
    """Without any event, and where the beginnings were lost, the page stands as well."""
    use = """<script>
    const out = document.createElement("pre");
    out.id = "seen"; out.textContent = JSON.stringify([document.querySelector("h1").textContent, wrong]);
    document.body.append(out);
    </script>"""  # noqa: E501 - it is another language

    dom, console = see(as_html(Trace(a_trace().header, events, 5)), tmp_path, use, 1200)
    said, wrong = json.loads(read_loosely(dom))

    assert ("", []) == (console, wrong)
    assert said.startswith(title)


@needs_chromium
def test_hostile_page_runs_nothing_in_a_browser(tmp_path: Path) -> None:
    """Names with markup are shown as they are."""
    seen = browse(a_trace(name=HOSTILE), tmp_path)

    assert (0, True, []) == (seen["scripts"], seen["wide"], seen["wrong"])
    assert "</script><script>alert(1)" in seen["panel"]


# -- the command ----------------------------------------------------------------------------------


def report(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``rescind report``."""
    return subprocess.run(
        [sys.executable, "-m", "rescind", "report", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_command_writes_the_page_and_the_trace_for_perfetto(tmp_path: Path) -> None:
    """Beside the trace, or where it is told to; it says where."""
    a_trace().write(tmp_path / "app.jsonl")

    done = report("app.jsonl", "--perfetto", "app.json", folder=tmp_path)
    assert (0, "") == (done.returncode, done.stdout)
    assert "the page is in app.html" in done.stderr
    assert "the trace for Perfetto is in app.json" in done.stderr
    assert "fetch 2" in data_of((tmp_path / "app.html").read_text(encoding="utf-8"))["texts"]
    assert "traceEvents" in json.loads((tmp_path / "app.json").read_text(encoding="utf-8"))
    assert 0 == report("app.jsonl", "--output", "other.html", folder=tmp_path).returncode
    assert (tmp_path / "other.html").exists()


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, [], "cannot read 'app.jsonl': No such file or directory"),
        ("hello\n", [], "'app.jsonl' is no trace of rescind's"),
        ("%\n", ["--output", "no/such.html"], "cannot write 'no/such.html'"),
        ("%\n", ["--output", "app.jsonl"], "'app.jsonl' is the trace itself; name another file"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, content: str | None, options: list[str], said: str
) -> None:
    """And exit code 2; the trace is as it was."""
    a_trace().write(tmp_path / "app.jsonl")
    header = (tmp_path / "app.jsonl").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "app.jsonl").unlink()
    if content is not None:
        content = content.replace("%", header)
        (tmp_path / "app.jsonl").write_text(content, encoding="utf-8")

    done = report("app.jsonl", *options, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert said in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert content is None or content == (tmp_path / "app.jsonl").read_text(encoding="utf-8")
