"""`medheart segment`: image files in, label files out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_cli.console import complain, note, print_json, print_table, progress, text
from medheart_cli.verbs._options import (
    AsJson,
    Device,
    Local,
    Server,
    ensure_networks,
    label_server,
    only_here,
    service,
)

if TYPE_CHECKING:
    from medheart.task import Task
    from medheart_work.segment_cases import Segmenting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command(
    help="""Segment an image, or a folder of images, with a task.

    Without --task, modality, body part, number of inputs and field of view decide. A running label server does the
    work; without one, or with --local, this process does; with --server that service.

    Examples:

    medheart segment brain.nii.gz --task hippocampus --output label.nii.gz

    medheart segment --input flair=f.nii.gz --input t1c=t.nii.gz --task brain-tumour --output label.seg.nrrd

    medheart segment images/ --task hippocampus --output labels/"""
)
def segment(
    *,
    image: Annotated[list[Path] | None, typer.Argument(help="Image files, DICOM folders, or a folder of them.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Label file (.nii.gz .seg.nrrd .dcm …) or folder.")],
    task: Annotated[str | None, typer.Option(help="Id of the task.")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--input", help="ROLE=FILE, once per input.")] = None,
    server: Server = None,
    local: Local = False,
    device: Device = None,
    as_json: AsJson = False,
) -> int:
    """Segment."""
    named = _by_role(inputs or [])
    if bool(named) == bool(image):
        raise MedHeartError("give images either as arguments or by --input ROLE=FILE", code="usage")
    with service(server, local=local, quiet=as_json) as remote:
        only_here(remote, device=device)
        whole = _is_folder(output, elsewhere=remote is not None)
        if whole and named:
            output, whole = output / "label.nii.gz", False
        if remote is not None:
            results = remote.segment(image or [], named, output, task=task, whole_folder=whole)
        else:
            run = _segmenting(Settings.load(device=device), local=local, quiet=as_json, device=device)
            results = _cases_here(run, image or [], named, output, task, whole_folder=whole)
    _show(results, as_json=as_json)
    return 1 if any("error" in result for result in results) else 0


def _is_folder(output: Path, *, elsewhere: bool) -> bool:
    """Whether the results go into a folder, else into one file, of a format that is known.

    Raises
    ------
    MedHeartError
        `usage`, if there is no such folder and the name ends as no label file does.
    """
    if output.is_dir() or not output.suffix:
        return True
    if elsewhere:
        from medheart.service_client import label_ending

        label_ending(output)
    else:
        from medheart_work.exporting import check_label_name

        check_label_name(output)
    return False


def _by_role(inputs: list[str]) -> dict[str, Path]:
    pairs = [item.partition("=") for item in inputs]
    if wrong := [role for role, sign, path in pairs if not (role and sign and path)]:
        raise MedHeartError(f"--input takes ROLE=FILE, got {wrong[0]!r}", code="usage")
    return {role: Path(path) for role, _, path in pairs}


def _cases_here(
    segmenting: AbstractContextManager[Segmenting],
    images: Sequence[Path],
    named: Mapping[str, Path],
    output: Path,
    task: str | None,
    *,
    whole_folder: bool,
) -> list[dict[str, Any]]:
    from medheart_work.segment_cases import segment_cases

    with segmenting as segment:
        if whole_folder:
            return segment_cases(segment, images, output, task_id=task)
        return [segment(images, named, task, output)]


@contextmanager
def _segmenting(settings: Settings, *, local: bool, quiet: bool, device: str | None) -> Iterator[Segmenting]:
    """Yield what segments a case: the label server that runs, else this process, which is said."""
    from medheart_work.segment_cases import Segmenting
    from medheart_work.segmenting import LocalEngine

    running = None if local else label_server(settings)
    if running is None and not local:
        note(text("no_server", url=settings.label_url))
    if running is not None and device is not None:
        note(text("device_ignored", url=settings.label_url, device=device))

    def prepare(task: Task) -> None:
        if running is None:
            ensure_networks(settings, {task.id})

    with progress(quiet=quiet) as update:
        yield Segmenting(running or LocalEngine(settings), update, prepare)


def _show(results: list[dict[str, Any]], *, as_json: bool) -> None:
    for result in results:
        if "error" in result:
            complain(f"{result['image']}: {result['error']['message']}")
    if as_json:
        for result in results:
            print_json(result)
        return
    rows = [
        (result["path"], result["task"], name, count, f"{result['seconds']:.1f} s")
        for result in results
        if "error" not in result
        for name, count in result["counts"].items()
    ]
    print_table([text(key) for key in ("file", "task", "label", "voxels", "time")], rows, right=(3, 4))
    for result in results:
        if result.get("status") == "research":
            note(text("research_only"))
            break
    if rows and all(row[3] == 0 for row in rows):
        note(text("not_detected"))
