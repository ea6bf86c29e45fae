"""The commands, as click sees them: options are read here, and acted upon elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click

from rescind._core.errors import UsageError
from rescind._core.executor import DEFAULT_GRACE
from rescind._version import __version__
from rescind.cli import say
from rescind.cli.program import execute
from rescind.cli.target import load

__all__ = ["cli", "main"]


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str) -> float | None:
    """Return the number of seconds, or None for ``none``: no limit."""
    if text.lower() == "none":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise click.BadParameter(
            f"{text!r} is no number of seconds; give one that is not negative, or 'none' "
            "for no limit."
        )
    return seconds


def _budget(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """Return the seconds that ``30s``, ``2m`` or ``45`` means."""
    if text is None:
        return None
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:].lower())
    try:
        seconds = float(text if unit is None else text[:-1]) * (unit or 1.0)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise click.BadParameter(f"{text!r} is no time; write it as 30s, 2m or 1h.")
    return seconds


def _modes(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Any:
    """Return the modes that ``asyncio,timeout`` means, or None."""
    if text is None:
        return None
    from rescind.check.words import modes_of  # it imports more than 'rescind run' needs

    try:
        return modes_of(text)
    except UsageError as exc:
        raise click.BadParameter(f"{exc}.") from None


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rescind", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run async programs whose futures are polled, and see what cancels them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command(context_settings={"allow_interspersed_args": False})
@click.argument("target", metavar="SCRIPT|MODULE:FUNC")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--grace",
    callback=_seconds,
    default=str(DEFAULT_GRACE),
    metavar="SECONDS",
    help="How long cleanup may take after a cancellation; 'none' for no limit. Default: "
    f"{DEFAULT_GRACE:g}.",
)
@click.option("--uvloop", is_flag=True, help="Run on uvloop.")
@click.option(
    "--debug", is_flag=True, help="Use asyncio's debug mode, and show tracebacks in full."
)
def run(
    target: str, arguments: tuple[str, ...], grace: float | None, uvloop: bool, debug: bool
) -> int:
    """Run the async function main of SCRIPT, or FUNC of MODULE.

    It is called with ARGS if it takes any; sys.argv has them as well. What it returns, if that is
    an int, is the exit code.

    The first Ctrl-C cancels it and says what is being waited for while it cleans up; the second
    drops it.
    """
    return execute(load(target, arguments, debug=debug), grace=grace, uvloop=uvloop, debug=debug)


@cli.command()
@click.argument("target", metavar="MODULE:FUNC|FILE::FUNC|replay")
@click.argument("token", required=False)
@click.option("--no-invariants", is_flag=True, help="Leave out the invariants of the module.")
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON, too.")
@click.option("--budget", callback=_budget, metavar="TIME", help="Stop after so long: 30s, 2m.")
@click.option("--max-runs", type=click.IntRange(1), help="Stop after so many runs.")
@click.option(
    "--modes",
    callback=_modes,
    metavar="MODES",
    help="How to cancel, with commas: asyncio, twice, timeout, group, anyio, rescind, close. "
    "Default: all but close.",
)
@click.option(
    "-n", "processes", type=click.IntRange(1), default=1, help="Run in so many processes."
)
@click.option("--thorough", is_flag=True, help="Cancel between any two callbacks, too.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
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
def check(target: str, token: str | None, **given: Any) -> int:
    """Cancel a scenario at every await, and tell what breaks.

    The exit code is 0 if nothing does, 1 if something does, and 2 if that could not be found out.
    """
    from rescind.check.plan import Options
    from rescind.check.points import Instant
    from rescind.cli import check as commands  # it imports more than 'rescind run' needs
    from rescind.cli.outputs import Outputs

    if target == "replay":
        if token is None:
            raise click.UsageError("replay needs a token, as a report shows it")
        return commands.replay(token)
    usual = Options()
    instants = (*usual.instants, Instant.CALLBACK) if given["thorough"] else usual.instants
    options = Options(
        modes=given["modes"] or usual.modes,
        instants=instants,
        budget=given["budget"],
        max_runs=given["max_runs"],
        processes=given["processes"],
    )
    return commands.check(
        target,
        options=options,
        invariants=not given["no_invariants"],
        outputs=Outputs(
            json=given["json_file"],
            html=given["html"],
            lcov=given["lcov"],
            coverage=given["coverage"],
            coverage_file=given["coverage_file"],
            fail_under=given["fail_under"],
            sources=given["sources"],
            color=not given["no_color"],
        ),
        quiet=given["quiet"],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        code: object = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="rescind",
            standalone_mode=False,
        )
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx is not None else "rescind"
        say.error(f"{exc.format_message()} See '{command} --help'.")
        return exc.exit_code
    except click.ClickException as exc:
        say.error(exc.format_message())
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0
