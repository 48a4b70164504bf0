"""`medheart segment`: image files in, label files out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_cli.console import complain, note, print_json, print_table, progress, text
from medheart_cli.verbs._options import AsJson, Device, Local, ensure_networks, label_server

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

Segment = Callable[[Sequence[Path], Mapping[str, Path], str | None, Path], dict[str, Any]]


@app.command(
    help="""Segment an image, or a folder of images, with a task.

    Without --task, modality, body part, number of inputs and field of view decide. A running label server does the
    work; without one, or with --local, this process does.

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
    local: Local = False,
    device: Device = None,
    as_json: AsJson = False,
) -> int:
    """Segment."""
    from medheart_work.segment_files import is_label_name

    named = _by_role(inputs or [])
    if bool(named) == bool(image):
        raise MedHeartError("give images either as arguments or by --input ROLE=FILE", code="usage")
    run = _worker(Settings.load(device=device), local=local, quiet=as_json)
    if is_label_name(output):
        results = [run(image or [], named, task, output)]
    else:
        results = _batch(run, image or [], task, output)
    _show(results, as_json=as_json)
    return 1 if any("error" in result for result in results) else 0


def _by_role(inputs: list[str]) -> dict[str, Path]:
    pairs = [item.partition("=") for item in inputs]
    if wrong := [role for role, sign, path in pairs if not (role and sign and path)]:
        raise MedHeartError(f"--input takes ROLE=FILE, got {wrong[0]!r}", code="usage")
    return {role: Path(path) for role, _, path in pairs}


def _worker(settings: Settings, *, local: bool, quiet: bool) -> Segment:
    """Return what segments one case: the running server, else this process, which is said."""
    from medheart_work.segment_files import assign_inputs, segment_files, segment_on_server
    from medheart_work.segmenting import LocalEngine

    server = None if local else label_server(settings)
    if server is None and not local:
        note(text("no_server", url=settings.label_url))
    engine = LocalEngine(settings)

    def run(images: Sequence[Path], named: Mapping[str, Path], task_id: str | None, output: Path) -> dict[str, Any]:
        task, paths = assign_inputs(images, named, task_id)
        with progress(quiet=quiet) as update:

            def tell(done: int, total: int) -> None:
                update(task.id, done, total)

            if server is not None:
                return segment_on_server(server, task, paths, output, progress=tell).to_dict()
            ensure_networks(settings, {task.id})
            return segment_files(engine, task, paths, output, progress=tell).to_dict()

    return run


def _batch(run: Segment, images: Sequence[Path], task_id: str | None, folder: Path) -> list[dict[str, Any]]:
    """Segment every case on its own; one that fails does not stop the others."""
    from medheart_work.batch import cases_in

    results = []
    for path, name in cases_in(images):
        try:
            results.append(run([path], {}, task_id, folder / f"{name}.nii.gz"))
        except MedHeartError as error:
            complain(f"{path}: {error.message}")
            results.append({"image": str(path), "error": error.to_dict()})
    if not results:
        raise MedHeartError(f"no image in {', '.join(map(str, images))}", code="no_image")
    return results


def _show(results: list[dict[str, Any]], *, as_json: bool) -> None:
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
