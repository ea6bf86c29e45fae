"""``rescind check``, as click sees it: options are read here, and acted upon elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from rescind.cli.check import Checking

__all__ = ["check_command", "replay_command"]


def _checked(function: str) -> Any:
    """Return a callback for click that calls a function of `rescind.check.words`."""

    def callback(_ctx: click.Context, _param: click.Parameter, given: Any) -> Any:
        from rescind._core.errors import UsageError
        from rescind.check import words

        call = getattr(words, function)
        try:
            if isinstance(given, tuple):
                return tuple(call(one) for one in cast("tuple[object, ...]", given))
            return None if given is None else call(given)
        except UsageError as exc:
            raise click.BadParameter(f"{exc}.") from None

    return callback


_loop = click.option(
    "--loop",
    type=click.Choice(["asyncio", "uvloop"]),
    help="The event loop. On uvloop time is real, and less can be tried. Default: LOOP in the "
    "module, or asyncio.",
)
_cleanup_within = click.option(
    "--cleanup-within",
    callback=_checked("seconds_of"),
    metavar="TIME",
    help="A cleanup that takes longer, of the loop's clock, is a fault. Default: CLEANUP_WITHIN in "
    "the module; without that, one of more than 5 s is a hint.",
)


@click.command("check")
@click.argument("targets", metavar="FILE::FUNC|MODULE:FUNC...", nargs=-1, required=True)
@click.option(
    "--mode",
    "--modes",
    "modes",
    multiple=True,
    callback=_checked("modes_of"),
    metavar="MODES",
    help="How to cancel, with commas: asyncio, twice, timeout, group, anyio, rescind, close. "
    "Default: all but close.",
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    callback=_checked("judge_of"),
    metavar="JUDGE",
    help="What to do afterwards: look, follow-up, prompt, storm, crowd, crowd3; may be repeated. "
    "Default: all.",
)
@click.option("--thorough", is_flag=True, help="Cancel between any two callbacks, too.")
@click.option(
    "--children/--no-children",
    default=True,
    help="Cancel the tasks that it starts, too, which gives hints. Default: yes.",
)
@click.option(
    "--budget",
    callback=_checked("seconds_of"),
    metavar="TIME",
    help="Stop after so long: 30s, 2m. The most telling runs come first.",
)
@click.option("--max-runs", type=click.IntRange(1), metavar="NUMBER", help="Stop after so many.")
@click.option(
    "-n",
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    metavar="NUMBER",
    help="Make runs in so many processes. Default: 1.",
)
@click.option(
    "--timeout",
    callback=_checked("seconds_of"),
    metavar="TIME",
    help="How long a run may take that is not canceled. Default: TIMEOUT in the module, or 5s.",
)
@_cleanup_within
@click.option("--no-invariants", is_flag=True, help="Leave out the invariants of the module.")
@_loop
@click.option(
    "--regressions",
    metavar="FILE",
    help="Try first what broke before, as FILE says; write to it what breaks now.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of hints that stand alone in full, too.")
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON, too.")
@click.option("--html", metavar="FILE", help="Write the report as a page, too.")
@click.option("--coverage", is_flag=True, help="Show which awaits were canceled, by file.")
@click.option("--lcov", metavar="FILE", help="Write that for genhtml, editors and review tools.")
@click.option(
    "--coverage-file", metavar="FILE", help="Add it to that of other checks, and show all."
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 if a smaller share of the awaits was canceled.",
)
@click.option(
    "--source",
    "sources",
    metavar="PATH",
    multiple=True,
    help="Count all awaits of this file or directory; may be repeated. Default: those of your own "
    "files that were seen.",
)
@click.option("--no-color", is_flag=True, help="Write plain text.")
def check_command(targets: tuple[str, ...], **given: Any) -> int:
    """Cancel async functions at every await, and tell what breaks.

    A target is an async function, a method of a class that is made without arguments, or a test
    without fixtures. From its module are taken setup, teardown, TIMEOUT, CLEANUP_WITHIN, LOOP,
    and what begins with invariant. To make one run again: rescind check replay TOKEN.

    The exit code is 0 if nothing breaks, 1 if something does, 2 if that could not be found out, and
    130 after Ctrl-C, which prints what was found by then.
    """
    from rescind.cli import check as commands  # it imports more than 'rescind run' needs

    return commands.check(targets, _checking(given))


def _checking(given: dict[str, Any]) -> Checking:
    from rescind.check.plan import Options, available_modes
    from rescind.check.points import Instant
    from rescind.cli.check import Checking
    from rescind.cli.outputs import Outputs

    usual = Options()
    modes = tuple(dict.fromkeys(mode for some in given["modes"] for mode in some))
    return Checking(
        Options(
            # What is not installed cannot be what cancels the program, unless somebody asks for it.
            modes=modes or available_modes(usual.modes),
            judges=tuple(dict.fromkeys(given["judges"])) or usual.judges,
            instants=(*usual.instants, Instant.CALLBACK) if given["thorough"] else usual.instants,
            children=given["children"],
            budget=given["budget"],
            max_runs=given["max_runs"],
            processes=given["processes"],
        ),
        Outputs(
            json=given["json_file"],
            html=given["html"],
            lcov=given["lcov"],
            coverage=given["coverage"],
            coverage_file=given["coverage_file"],
            fail_under=given["fail_under"],
            sources=given["sources"],
            verbose=given["verbose"],
            color=not given["no_color"],
        ),
        invariants=not given["no_invariants"],
        timeout=given["timeout"],
        cleanup_within=given["cleanup_within"],
        loop=given["loop"],
        regressions=given["regressions"],
        quiet=given["quiet"],
    )


@click.command("check replay")
@click.argument("token", metavar="TOKEN", nargs=-1, required=True)
@click.option("--pdb", is_flag=True, help="Stop in the debugger just before it is canceled.")
@_cleanup_within
@_loop
@click.option("-v", "--verbose", is_flag=True, help="Tell of every await, and of whole stacks.")
def replay_command(
    token: tuple[str, ...],
    *,
    pdb: bool,
    cleanup_within: float | None,
    loop: str | None,
    verbose: bool,
) -> int:
    """Make one run again, just as a report's TOKEN says, and tell what happens in it.

    With --pdb the debugger opens in your own frame, parked at its await: 'up' and 'down' go along
    the awaits, 'continue' cancels it and goes on, 'next' stops where the cancellation arrives.

    The exit code is 1 if it still breaks, 0 if it does not, and 2 if the run went another way.
    """
    from rescind.cli import check as commands

    return commands.replay(
        "".join(token), pdb=pdb, cleanup_within=cleanup_within, loop=loop, verbose=verbose
    )
