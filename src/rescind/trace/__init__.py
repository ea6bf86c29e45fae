"""Answers: who canceled this, why, and what is it still waiting for."""

from rescind._core.explanation import Blocker, CellInfo, Explanation, GroupInfo
from rescind.trace.dump import dump, dump_data
from rescind.trace.events import Trace
from rescind.trace.explain import explain
from rescind.trace.perfetto import perfetto, write_perfetto
from rescind.trace.recorder import Recorder
from rescind.trace.snapshot import info_of
from rescind.trace.story import Story

__all__ = [
    "Blocker",
    "CellInfo",
    "Explanation",
    "GroupInfo",
    "Recorder",
    "Story",
    "Trace",
    "dump",
    "dump_data",
    "explain",
    "info_of",
    "perfetto",
    "write_perfetto",
]
