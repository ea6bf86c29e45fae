"""The commands, as click sees them: options are read here, and acted upon elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click

from rescind._core import compiled
from rescind._core.executor import DEFAULT_GRACE
from rescind._version import __version__
from rescind.cli import say
from rescind.cli.check_command import check_command, replay_command
from rescind.cli.program import execute
from rescind.cli.report import report_command
from rescind.cli.target import load
from rescind.cli.top_command import top_command

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


_FORM = "compiled core" if compiled else "core in plain Python, not compiled"


class _Commands(click.Group):
    """Knows that ``check replay`` is a command of its own."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:2] == ["check", "replay"]:
            return replay_command.name, replay_command, args[2:]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rescind", message=f"%(prog)s %(version)s ({_FORM})")
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
@click.option(
    "--trace",
    metavar="FILE",
    help="Record what happens to every task into FILE, and say at the end what was canceled.",
)
@click.option(
    "--warn/--no-warn",
    default=None,
    help="Warn of slow polls, slow cleanups, held shields, swallowed cancellations and hangs. "
    "Default: as RESCIND_WARN says, else yes.",
)
@click.option(
    "--top", is_flag=True, help="Let 'rescind top' look at it: at its tasks, live, from elsewhere."
)
@click.option(
    "--top-address",
    metavar="HOST:PORT",
    help="The same, at a port of this machine instead of a Unix socket; port 0: any.",
)
def run(target: str, arguments: tuple[str, ...], debug: bool, **options: Any) -> int:
    """Run the async function main of SCRIPT, or FUNC of MODULE.

    It is called with ARGS if it takes any; sys.argv has them as well. What it returns, if that is
    an int, is the exit code.

    The first Ctrl-C cancels it and says what is being waited for while it cleans up; the second
    drops it. On SIGUSR1 it writes to standard error what every task is doing.
    """
    loaded = load(target, arguments, debug=debug)
    return execute(loaded, debug=debug, **options)


cli.add_command(check_command)
cli.add_command(report_command)
cli.add_command(top_command)


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
