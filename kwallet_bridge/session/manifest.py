# SPDX-License-Identifier: GPL-3.0-or-later
"""Change files so that the change can be taken back.

The manifest is written before the first file is touched: whatever happens in between, it tells
what was there before.
"""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwallet_bridge.errors import SessionError
from kwallet_bridge.saving import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.session.files import PlannedFile

VERSION = 1


@dataclass(frozen=True, slots=True)
class Before:
    """What was at a path before us: a file's bytes and mode, a link's target, or nothing."""

    path: Path
    data: bytes | None = None
    mode: int = 0o644
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an installation changed, enough to undo it."""

    before: tuple[Before, ...]
    made_folders: tuple[Path, ...]
    """Folders that did not exist, outermost first."""
    was_running: tuple[str, ...] = field(default=())
    """Names whose owner was asked to end."""
    program: str = ""
    """What the files start."""

    def dump(self) -> str:
        """Write as JSON."""
        return json.dumps(
            {
                "version": VERSION,
                "before": [_dump_before(each) for each in self.before],
                "made_folders": [str(folder) for folder in self.made_folders],
                "was_running": list(self.was_running),
                "program": self.program,
            },
            indent=1,
        )

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read from JSON.

        Raises:
            SessionError: It is damaged, or of a version we do not know.
        """
        try:
            found = json.loads(text)
            if found["version"] != VERSION:
                raise SessionError("the record of the installation is of another version")
            return cls(
                tuple(_parse_before(each) for each in found["before"]),
                tuple(Path(folder) for folder in found["made_folders"]),
                tuple(str(name) for name in found["was_running"]),
                str(found["program"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SessionError("the record of the installation is damaged") from error


def manifest_path(environ: Mapping[str, str]) -> Path:
    """Say where the manifest is."""
    home = Path(environ["HOME"])
    return Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / (
        "kwallet-bridge/session.json"
    )


def load_manifest(path: Path) -> Manifest | None:
    """Read the manifest; None if nothing is installed."""
    try:
        return Manifest.parse(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SessionError(f"the record of the installation: {error.strerror}") from error


def forget(path: Path) -> None:
    """Remove the manifest and its folder if nothing else is there."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def survey(
    planned: Iterable[PlannedFile], *, was_running: Sequence[str] = (), program: str = ""
) -> Manifest:
    """Record what is at each planned path now."""
    before: list[Before] = []
    folders: set[Path] = set()
    for file in planned:
        before.append(_look(file.path))
        folders.update(folder for folder in file.path.parents if not folder.exists())
    return Manifest(tuple(before), tuple(sorted(folders)), tuple(was_running), program)


def look_at(paths: Iterable[Path]) -> Manifest:
    """Record what is at each path now, folders left out."""
    return Manifest(tuple(_look(path) for path in paths), ())


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, manifest.dump().encode(), mode=0o600)


def write_files(planned: Iterable[PlannedFile]) -> None:
    """Put every planned file in its place."""
    for file in planned:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        if file.link is None:
            replace_file(file.path, file.text.encode(), mode=file.mode)
        else:
            _replace_link(file.path, file.link)


def restore(manifest: Manifest) -> None:
    """Put everything back as the manifest says; one path's failure does not stop the others.

    Raises:
        SessionError: Some paths could not be put back.
    """
    failed = 0
    for each in manifest.before:
        try:
            _restore_path(each)
        except OSError:
            failed += 1
    for folder in reversed(manifest.made_folders):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if failed:
        raise SessionError(f"{failed} of {len(manifest.before)} paths could not be put back")


def _restore_path(before: Before) -> None:
    if before.data is not None or before.link is not None:
        before.path.parent.mkdir(parents=True, exist_ok=True)
    if before.data is not None:
        replace_file(before.path, before.data, mode=before.mode)
    elif before.link is not None:
        _replace_link(before.path, before.link)
    else:
        # Where a file stands in a folder's place nothing was written.
        with contextlib.suppress(NotADirectoryError):
            before.path.unlink(missing_ok=True)


def is_in_place(file: PlannedFile) -> bool:
    """Tell whether a planned file is there, unchanged."""
    found = _look(file.path)
    if file.link is not None:
        return found.link == file.link
    return found.data == file.text.encode()


def _replace_link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _look(path: Path) -> Before:
    if path.is_symlink():
        return Before(path, link=str(path.readlink()))
    if path.is_file():
        return Before(path, path.read_bytes(), path.stat().st_mode & 0o777)
    return Before(path)


def _dump_before(before: Before) -> dict[str, Any]:
    data = None if before.data is None else base64.b64encode(before.data).decode()
    return {"path": str(before.path), "data": data, "mode": before.mode, "link": before.link}


def _parse_before(found: Mapping[str, Any]) -> Before:
    data = None if found["data"] is None else base64.b64decode(found["data"], validate=True)
    return Before(Path(found["path"]), data, int(found["mode"]), found["link"])
