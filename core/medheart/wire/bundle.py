"""A bundle: the files and folders that a client names, in one zip, as the service works on them.

    layout.json   {"arguments": ["argument-0/brain.nii.gz", "argument-1/cases"],
                   "files": ["argument-0/brain.nii.gz", "argument-1/cases/a/1.dcm"],
                   "links": ["argument-1/cases/b.nii.gz"]}
    000000        content of the first of `files`, uncompressed
    000001        content of the second, …

An argument is named by its number and its own name, and stays what it was: a file or a folder. Members are
numbers, so that names in any script or encoding and zip files inside arrive as they were. Links inside of
folders are not followed (where a folder is read as a set of cases, they are): they arrive as links to nowhere,
so that both sides say the same of them. A data file that a `.mhd` or `.nhdr` header names comes with it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from medheart.errors import ImageRejected, MedHeartError

__all__ = ["BUNDLE", "LAYOUT", "Layout", "place_bundle", "write_bundle"]

BUNDLE = "bundle.zip"
"""Name under which a service keeps a bundle until its job has read it."""

LAYOUT = "layout.json"
_MAX_LAYOUT_BYTES = 32 << 20
_HEADER_BYTES = 64 << 10
_NAMES_CLASH = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
"""What the disk says of a file inside of a file, a name given twice, or one that is too long."""
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)\s*([^\r\n]+?)\s*$", re.MULTILINE | re.IGNORECASE)


@dataclass
class Layout:
    """Names of the arguments, of all files in the order of the members, and of links; relative, with `/`."""

    arguments: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def write_bundle(
    path: Path,
    arguments: Sequence[Path],
    *,
    follow_links: bool = False,
    limit_bytes: int | None = None,
    tell: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Layout:
    """Pack files and folders into a bundle.

    Parameters
    ----------
    path : pathlib.Path
        Bundle to write.
    arguments : sequence of pathlib.Path
        Files and folders.
    follow_links : bool
        Whether links to files inside of folders are packed as files.
    limit_bytes : int, optional
        Most that may be packed.
    tell : callable
        Called with a file's name, files packed, and files in all.

    Raises
    ------
    ImageRejected
        `not_there` if an argument does not exist.
    MedHeartError
        `too_large` if the files are larger than the limit, before any is packed.
    """
    layout, sources = _plan(arguments, follow_links=follow_links)
    size = sum(file.stat().st_size for file in sources)
    if limit_bytes is not None and size > limit_bytes:
        names = ", ".join(map(str, arguments[:3]))
        raise MedHeartError(f"{names}: {size} bytes, at most {limit_bytes} can be sent at once", code="too_large")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        archive.writestr(LAYOUT, json.dumps(asdict(layout)))
        for number, file in enumerate(sources):
            tell(file.name, number, len(sources))
            archive.write(file, f"{number:06d}")
    return layout


def _plan(arguments: Sequence[Path], *, follow_links: bool) -> tuple[Layout, list[Path]]:
    """Return the layout and the files in the order of its members."""
    layout, sources = Layout(), []
    for number, argument in enumerate(arguments):
        if not argument.exists():
            message = f"{argument}: there is no such file or folder"
            raise ImageRejected(message, code="not_there", path=str(argument))
        layout.arguments.append(str(PurePosixPath(f"argument-{number}", argument.name)))
        for file, name in _files_of(argument, layout.arguments[-1]):
            if argument.is_dir() and file.is_symlink() and not (follow_links and file.is_file()):
                layout.links.append(name)
            elif file.is_file():
                layout.files.append(name)
                sources.append(file)
    return layout, sources


def place_bundle(members: Path, folder: Path) -> Layout:
    """Give the unpacked members of a bundle their names and places under `folder`.

    Parameters
    ----------
    members : pathlib.Path
        Folder that the zip was unpacked to; its files are moved.
    folder : pathlib.Path
        Where to; `folder / argument` is there for every argument afterwards.

    Raises
    ------
    MedHeartError
        `bad_bundle` if the layout is missing, leads outside, or does not match the members.
    """
    layout = _read_layout(members / LAYOUT)
    try:
        _arrange(layout, members, folder)
    except (OSError, UnicodeEncodeError) as error:
        if isinstance(error, OSError) and error.errno not in _NAMES_CLASH:
            raise
        raise MedHeartError(f"the bundle's names cannot stand beside each other: {error}", code="bad_bundle") from error
    return layout


def _arrange(layout: Layout, members: Path, folder: Path) -> None:
    for number, name in enumerate(layout.files):
        source, target = members / f"{number:06d}", _inside(folder, name)
        if not source.is_file() or target.exists():
            raise MedHeartError(f"the bundle's layout does not match its files at {name!r}", code="bad_bundle")
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    for name in layout.links:
        _inside(folder, name).parent.mkdir(parents=True, exist_ok=True)
        _inside(folder, name).symlink_to("nowhere")
    for name in layout.arguments:
        if name not in layout.files:
            _inside(folder, name).mkdir(parents=True, exist_ok=True)


def _files_of(argument: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield every file of an argument with its name in the bundle, in order."""
    if not argument.is_dir():
        yield argument, name
        data = _data_file(argument)
        if data is not None:
            yield data, str(PurePosixPath(name).with_name(data.name))
        return
    for parent, folders, files in os.walk(argument, followlinks=False):
        folders.sort()
        linked = [folder for folder in folders if Path(parent, folder).is_symlink()]
        for file in sorted(files + linked):
            path = Path(parent, file)
            yield path, str(PurePosixPath(name, *path.relative_to(argument).parts))


def _data_file(header: Path) -> Path | None:
    """Return the data file beside a header that names it, None where there is none."""
    if header.suffix.lower() not in (".mhd", ".nhdr"):
        return None
    with header.open("rb") as stream:
        found = _DATA_FILE.search(stream.read(_HEADER_BYTES))
    name = os.fsdecode(found[1]) if found else ""
    if not name or "/" in name or "\\" in name or "\0" in name:
        return None
    path = header.with_name(name)
    return path if path.is_file() and not path.is_symlink() and path != header else None


def _read_layout(path: Path) -> Layout:
    try:
        if path.stat().st_size > _MAX_LAYOUT_BYTES:
            raise MedHeartError(f"the bundle's layout is larger than {_MAX_LAYOUT_BYTES} bytes", code="bad_bundle")
        layout = Layout(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise MedHeartError(f"the upload is no bundle: {error}", code="bad_bundle") from error
    names = (layout.arguments, layout.files, layout.links)
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in names):
        raise MedHeartError("the bundle's layout must hold lists of names", code="bad_bundle")
    return layout


def _inside(folder: Path, name: str) -> Path:
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\0" in name:
        raise MedHeartError(f"the bundle names {name!r}, which may lead outside of it", code="bad_bundle")
    return folder.joinpath(*parts)
