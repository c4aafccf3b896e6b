"""Where a drill looks: every file that a deployment has on this machine, and every row of a database that is elsewhere.

Belongs here: listing and reading. Does not belong here: what is looked for.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from moretta.settings import Settings
from moretta.storage.byte_search import find_in_files
from moretta.storage.database import is_postgresql
from moretta.storage.row_bytes import find_in_rows
from moretta.wiring.drill.marks import Mark
from moretta.wiring.drill.report import Finding, Searched
from moretta.wiring.regions_file import folder_in, local_plan, read_regions

# A file of the system's temporary folder that is larger than this is not one that a photo or template went through.
_LARGEST_TEMPORARY = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Store:
    """A store's files. `ciphertext`: a database server's own files, in which dead ciphertext stays for a while."""

    name: str
    files: tuple[Path, ...] = field(repr=False)
    ciphertext: bool = False


def stores_of(settings: Settings, also: Sequence[Path], since: float) -> list[Store]:
    """Every store of this deployment that is a folder or file of this machine, and temporary files made `since` (Unix time).

    Args:
        also: more folders: those of parties and nodes that run in processes of their own, a database server's.
    """
    folders = {"data folder": settings.data_dir}
    plan = local_plan(settings.data_dir) if settings.regions_file is None else read_regions(settings.regions_file)
    for name, region in plan.regions.items():
        for what in ("blobs", "segments", "keys", "gallery_keys"):
            folder = folder_in(getattr(region, what) or "")
            if folder is not None:
                folders[f"{name} {what.replace('_', ' ')}"] = folder
        if region.database is not None and region.database.startswith("sqlite:///"):
            folders[f"{name} database"] = Path(region.database.removeprefix("sqlite:///")).parent
    stores = [Store(name, _files(folder)) for name, folder in _apart(folders).items()]
    stores += [Store(f"also, {number}", _files(folder), _is_server(folder)) for number, folder in enumerate(also, 1)]
    return [*stores, Store("temporary files", _temporary(since))]


def search(stores: Sequence[Store], engines: Sequence[tuple[str, Engine]], marks: Sequence[Mark]) -> "Found":
    """Look for every mark in every store, and in every row of databases that are on servers."""
    searched, found, kept = list[Searched](), list[Finding](), list[Finding]()
    different = set[int]()
    contents = [mark.content for mark in marks]
    for store in stores:
        size, places = find_in_files(store.files, contents)
        searched.append(Searched(store.name, len(store.files), size))
        different |= {place.marker for place in places}
        for place in places:
            mark = marks[place.marker]
            finding = Finding(store.name, mark.what, place.offset)
            (kept if mark.sealed and store.ciphertext else found).append(finding)
    for name, engine in engines:
        if is_postgresql(engine):
            tables, size, seen = find_in_rows(engine, contents)
            searched.append(Searched(f"{name} rows", tables, size))
            different |= {number for number, _ in seen}
            found += [Finding(f"{name} rows", marks[number].what, offset) for number, offset in seen]
    with_files = any(store.ciphertext for store in stores)
    rows_only = () if with_files else tuple(name for name, engine in engines if is_postgresql(engine))
    return Found(tuple(searched), tuple(found), tuple(kept), len(different), rows_only)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave; `kept` and `rows_only` as in `DrillReport`; `marks`: how many different ones were found."""

    searched: tuple[Searched, ...]
    findings: tuple[Finding, ...]
    kept: tuple[Finding, ...]
    marks: int
    rows_only: tuple[str, ...]


def _apart(folders: dict[str, Path]) -> dict[str, Path]:
    """The folders without those that lie in another one, which are searched with it; each once."""
    kept: dict[str, Path] = {}
    for name, folder in sorted(folders.items(), key=lambda entry: len(entry[1].absolute().parts)):
        path = folder.absolute()
        if not any(path == other or other in path.parents for other in kept.values()):
            kept[name] = path
    return kept


def _files(folder: Path) -> tuple[Path, ...]:
    if folder.is_file():
        return (folder,)
    found = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def _is_server(folder: Path) -> bool:
    return any((place / "PG_VERSION").is_file() for place in (folder, *(one for one in _folders(folder))))


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _temporary(since: float) -> tuple[Path, ...]:
    """Files at the top of the temporary folder and one below it that this user wrote since."""
    found = []
    root = Path(tempfile.gettempdir())
    for path in (*root.glob("*"), *root.glob("*/*")):
        try:
            status = path.lstat()
        except OSError:
            continue
        mine = status.st_uid == os.getuid() and status.st_mtime >= since
        if mine and path.is_file() and not path.is_symlink() and status.st_size <= _LARGEST_TEMPORARY:
            found.append(path)
    return tuple(sorted(found))
