"""`medheart serve`: start everything; with a study, do the main job first."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medheart.errors import Cancelled, MedHeartError, ModelError
from medheart.settings import Settings
from medheart_cli.console import language, note, print_json, progress, text, word
from medheart_cli.verbs._options import AsJson, Device, client, ensure_networks, label_server, open_store
from medheart_cli.verbs._results import print_results

if TYPE_CHECKING:
    from medheart_work.supervise import Supervisor

__all__ = ["app"]

_TOLD = 8

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Start model host, label server, service and job worker, and serve until Ctrl-C.

    With --study or --sample the main job comes first: import, segment through the label server, store the version,
    measure, and write labels and report to OUTPUT/<study>/. With --studies the label server imports a folder of
    images, in the background, as `monailabel start_server --studies` does.

    Examples:

    medheart serve

    medheart serve --sample --once

    medheart serve --studies /data/cases

    medheart serve --study /data/ct-folder --task lung-nodule --once --output out"""
)
def serve(
    *,
    study: Annotated[list[Path] | None, typer.Option(help="DICOM folder or image file; repeatable.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Take the sample study.")] = False,
    studies: Annotated[Path | None, typer.Option(help="Folder of images to offer for labelling.")] = None,
    task: Annotated[str | None, typer.Option(help="Id of the task; else the images decide.")] = None,
    choice: Annotated[list[str] | None, typer.Option(help="Answer to what the import asks; repeatable.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results.")] = Path("out"),
    once: Annotated[bool, typer.Option("--once", help="End after the result.")] = False,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Serve."""
    if study and sample:
        raise MedHeartError("give either --study or --sample", code="usage")
    if once and not (study or sample):
        raise MedHeartError("--once needs --study or --sample", code="usage")
    settings = Settings.load(device=device)
    if studies:
        _check_studies(settings, studies)
    if study or sample:
        from medheart_work.thread import check_request

        check_request(study or [], output, task_id=task, choices=choice or [])
    with _Signals() as signals:
        try:
            ensure_networks(settings)
        except ModelError as error:
            note(error.message)  # The other tasks work; asking for this one says the same again.
        supervisor = _start(settings, once=once, studies=studies, quiet=as_json)
        with supervisor:
            if study or sample:
                _main_job(settings, study or [], task, choice or [], output, as_json=as_json)
            if not once:
                _go_on(settings, supervisor, signals)


class _Signals:
    """Turns SIGTERM and SIGINT into Cancelled at the main thread's next step, and remembers them."""

    def __enter__(self) -> _Signals:
        self.seen = threading.Event()
        self._before = {number: signal.signal(number, self._take) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if not self.seen.is_set():
            self.seen.set()
            raise Cancelled(text("stopped"))


def _check_studies(settings: Settings, folder: Path) -> None:
    """Refuse what the label server could not do, before anything is started."""
    if not folder.is_dir():
        raise MedHeartError(f"{folder}: there is no such folder; --studies takes a folder of images", code="usage")
    if label_server(settings) is not None:
        what = "a label server runs already and takes no folder any more; use `medheart import` instead of --studies"
        raise MedHeartError(what, code="usage")


def _start(settings: Settings, *, once: bool, studies: Path | None, quiet: bool) -> Supervisor:
    from medheart_work.supervise import Supervisor, parts_for

    supervisor = Supervisor(settings, parts=parts_for(once=once, studies=studies))
    started = time.perf_counter()
    with progress(quiet=quiet) as update:
        ready: list[str] = []

        def on_ready(name: str, _seconds: float) -> None:
            ready.append(name)
            update(text("starting"), len(ready), len(supervisor.parts))

        update(text("starting"), 0, len(supervisor.parts))
        supervisor.start(on_ready)
    if not quiet:
        note(
            text(
                "started",
                seconds=time.perf_counter() - started,
                parts=", ".join(word("part", p.name) for p in supervisor.parts),
            )
        )
    return supervisor


def _main_job(
    settings: Settings,
    paths: Sequence[Path],
    task: str | None,
    choices: Sequence[str],
    output: Path,
    *,
    as_json: bool,
) -> None:
    from medheart_work.sample import sample_study
    from medheart_work.thread import run_thread

    with open_store(settings) as store, progress(quiet=as_json) as update:
        if not paths:
            update(text("step_sample"), 0, 0)
            paths = [sample_study(settings)]
        cases, results = run_thread(
            store,
            settings,
            client(settings),
            paths,
            output,
            task_id=task,
            choices=choices,
            language=settings.language or language(),
            progress=lambda step, done, total: update(_words(step), done, total),
        )
    if as_json:
        print_json({"cases": [case.to_dict() for case in cases], "studies": [_plain(result) for result in results]})
        return
    for case in cases:
        if not case.accepted:
            note(text("left_out", path=case.candidate.path, message=case.candidate.message))
            for option, words in list(case.candidate.named_choices.items())[:_TOLD]:
                note(f"  --choice {option} ({words})")
        elif case.candidate.code == "labels":
            note(text("labels_taken", path=case.candidate.path, message=case.candidate.message))
    for result in results:
        print_results(result)


def _words(step: str) -> str:
    """Return the words for a step; what is no step is the name of a file that is being read."""
    try:
        return text(f"step_{step}")
    except KeyError:
        return step


def _plain(result: Any) -> dict[str, Any]:
    task = result.choice.task
    return {
        "study": result.study,
        "task": task.origin if task else None,
        "status": task.status if task else None,
        "inputs": dict(result.choice.inputs),
        "reasons": [str(reason) for reason in result.choice.reasons],
        "refused": {name: [str(reason) for reason in why] for name, why in result.choice.refused.items()},
        "versions": [version.to_dict() for version in result.versions],
        "measurements": [table.to_dict() for table in result.tables],
        "files": [os.fspath(path) for path in result.files],
        "seconds": result.seconds,
    }


def _go_on(settings: Settings, supervisor: Supervisor, signals: _Signals) -> None:
    note(text("serving", label=settings.label_url, service=settings.service_url))
    try:
        while not signals.seen.wait(1.0):
            for name in supervisor.watch():
                note(text("revived", part=word("part", name)))
    except Cancelled:
        note(text("stopping"))
