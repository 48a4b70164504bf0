"""The verbs, imported when they are used, and how errors become exit codes."""

from __future__ import annotations

import os
import traceback
from importlib import import_module

import click
import typer
from typer.core import TyperGroup

from medheart.errors import MedHeartError
from medheart.home import make_home
from medheart.settings import Settings
from medheart_cli.console import complain

__all__ = ["VERBS", "app", "run"]

# Verb: module under `medheart_cli.verbs`, and its line in `medheart --help`, so that help imports none of them.
VERBS = {
    "serve": ("serve", "Start everything; with a study, do the main job first."),
    "import": ("import_studies", "Take studies into the store: DICOM, NIfTI, NRRD, MetaImage."),
    "segment": ("segment", "Segment an image, or a folder of images, with a task."),
    "measure": ("measure", "Measure a label file or a stored version."),
    "report": ("report", "Write the report of a version or of a label file."),
    "versions": ("versions", "List, show, compare, restore and export label versions."),
    "export": ("export", "Export a study's labels, measurements and report."),
    "tasks": ("tasks", "List the reading tasks and show their model cards."),
    "train": ("train", "Train a task's network."),
    "evaluate": ("evaluate", "Score a task on labelled cases."),
    "users": ("users", "Make, list and revoke keys to sign in with."),
    "doctor": ("doctor", "Check the installation and say what is missing."),
    "bench": ("bench", "Run a benchmark of a checkout."),
}

_INTERRUPTED = 130
"""Exit code after Ctrl-C; Typer turns the interrupt into it."""


class _Verbs(TyperGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return click.Command(cmd_name, help=VERBS[cmd_name][1]) if cmd_name in VERBS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in VERBS else command, rest


def _load(verb: str) -> click.Command:
    module = import_module(f"medheart_cli.verbs.{VERBS[verb][0]}")
    command = typer.main.get_command(module.app)
    command.name = verb
    return command


app = typer.Typer(cls=_Verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """From a CT or MR study to a segmentation that can be corrected, traced, measured and reported.

    Settings come from MEDHEART_* and medheart.toml; data lies under MEDHEART_HOME (~/.medheart).
    """


def run(arguments: list[str]) -> int:
    """Run the verb named in `arguments`; errors become one line on stderr and an exit code."""
    try:
        code = app(args=arguments, prog_name="medheart", standalone_mode=False)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "medheart"
        complain(f"{where}: {error.format_message()} (see {where} --help)", "usage", prefix="")
        return 2
    except click.ClickException as error:
        complain(error.format_message(), "usage")
        return error.exit_code
    except MedHeartError as error:
        complain(error.message, error.code, type(error).code)
        return 2 if error.code in {"usage", "settings"} else 1
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted", "interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        os.close(1)
        return 1
    except Exception as error:
        complain(_record(error), "unexpected")
        return 1
    return int(code or 0)


def _record(error: Exception) -> str:
    """Keep the trace of an unforeseen error in the log, where there can be one, and return the line to show."""
    if os.environ.get("MEDHEART_DEBUG"):
        traceback.print_exception(error)
    said = f"unexpected {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    try:
        settings = Settings.load()
        make_home(settings)
        log = settings.home / "logs" / "cli.log"
        log.parent.mkdir(mode=0o700, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            traceback.print_exception(error, file=stream)
    except (MedHeartError, OSError) as problem:
        return f"{said} (its trace cannot be kept: {problem}; MEDHEART_DEBUG=1 shows it)"
    return f"{said} (trace in {log})"
