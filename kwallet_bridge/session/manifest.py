# SPDX-License-Identifier: GPL-3.0-or-later
"""Change files so that the change can be taken back.

Before the first file is touched the record says that an installation has begun, what is at every
path, and what shall be there; that it is done is said last. One that was cut off is taken back by
whoever comes next, to what was there when it began. Only what we put there is ever removed: a file
that somebody else has put in its place since stays.
"""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kwallet_bridge.errors import SessionError
from kwallet_bridge.regular import read_regular
from kwallet_bridge.saving import replace_file
from kwallet_bridge.session.placing import Content, clear, look, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kwallet_bridge.session.files import PlannedFile

VERSION = 2
_FIRST_VERSION = 1
_MOST_BYTES = 1 << 24
_OUR_WORDS = (b"kwallet-bridge", b"kwallet_bridge")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an installation changed, enough to undo it."""

    before: tuple[Content, ...]
    """What was at each path before us."""
    made_folders: tuple[Path, ...] = ()
    """Folders that did not exist, outermost first."""
    was_running: tuple[str, ...] = ()
    """Names whose owner was asked to end."""
    program: str = ""
    """What the files start."""
    written: tuple[Content, ...] = ()
    """What we put at each path; empty in records of versions that did not note it."""
    found: tuple[Content, ...] = ()
    """What was at each path when this installation began; an earlier one's, where there was one."""
    done: bool = True
    """False from its first step to its last."""
    previous: Manifest | None = None
    """The installation that this one replaces, until it is done."""

    def is_ours(self, now: Content) -> bool:
        """Tell whether what is at a path is what we put there."""
        if self.written:
            return any(each.path == now.path and each.is_alike(now) for each in self.written)
        return any(word in (now.data or (now.link or "").encode()) for word in _OUR_WORDS)

    def dump(self) -> str:
        """Write as JSON."""
        return json.dumps({"version": VERSION} | self._fields(), indent=1)

    def _fields(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "before": [_dump_content(each) for each in self.before],
            "written": [_dump_content(each) for each in self.written],
            "found": [_dump_content(each) for each in self.found],
            "made_folders": [str(folder) for folder in self.made_folders],
            "was_running": list(self.was_running),
            "program": self.program,
            "previous": self.previous and self.previous._fields(),
        }

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read from JSON.

        Raises:
            SessionError: It is damaged, or of a version we do not know.
        """
        try:
            found = json.loads(text)
            if found["version"] not in {_FIRST_VERSION, VERSION}:
                raise SessionError("the record of the installation is of another version")
            return cls._parse_fields(found)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SessionError("the record of the installation is damaged") from error

    @classmethod
    def _parse_fields(cls, found: Mapping[str, Any]) -> Manifest:
        previous = found.get("previous")
        return cls(
            tuple(_parse_content(each) for each in found["before"]),
            tuple(Path(folder) for folder in found["made_folders"]),
            tuple(str(name) for name in found["was_running"]),
            str(found["program"]),
            tuple(_parse_content(each) for each in found.get("written", ())),
            tuple(_parse_content(each) for each in found.get("found", ())),
            found.get("done", True) is True,
            None if previous is None else cls._parse_fields(previous),
        )


def manifest_path(environ: Mapping[str, str]) -> Path:
    """Say where the manifest is."""
    home = Path(environ["HOME"])
    return Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / (
        "kwallet-bridge/session.json"
    )


def load_manifest(path: Path) -> Manifest | None:
    """Read the manifest; None if nothing is installed, nor was being."""
    try:
        data, _ = read_regular(path, _MOST_BYTES)
        return Manifest.parse(data.decode("utf-8", "replace"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SessionError(f"the record of the installation: {error.strerror}") from error


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, manifest.dump().encode(), mode=0o600)


def forget(path: Path) -> None:
    """Remove the manifest and its folder if nothing else is there."""
    path.unlink(missing_ok=True)
    for cut_off in path.parent.glob(f".{path.name}.*"):  # as a save leaves that was ended
        cut_off.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def survey(
    planned: Iterable[PlannedFile],
    *,
    was_running: Sequence[str] = (),
    program: str = "",
    previous: Manifest | None = None,
) -> Manifest:
    """Record what is at each path now, what shall be there, and what was before us."""
    written = {file.path: _content_of(file) for file in planned}
    earlier = {each.path: each for each in previous.before} if previous else {}
    found = [look(path) for path in dict.fromkeys((*written, *earlier))]
    before = [_before(now, earlier.get(now.path), previous) for now in found]
    folders = {folder for path in written for folder in path.parents if not folder.exists()}
    folders.update(previous.made_folders if previous else ())
    # A path that is used no more gets back what was there before us.
    wanted = [written.get(each.path, each) for each in before]
    return Manifest(
        tuple(before),
        tuple(sorted(folders)),
        tuple(was_running),
        program,
        tuple(wanted),
        tuple(found),
        done=False,
        previous=previous,
    )


def _before(now: Content, earlier: Content | None, previous: Manifest | None) -> Content:
    """Give what was at a path before any installation of ours, as far as that is known."""
    if earlier is None or previous is None:
        return now
    return earlier if now.is_nothing or previous.is_ours(now) else now


def begin(record: Path, manifest: Manifest) -> None:
    """Note that an installation begins, and put its files in their places.

    Raises:
        OSError: It did not work, and the files are as they were; :func:`take_back` does the rest.
    """
    save_manifest(record, manifest)
    foreign = {now.path for now in manifest.found if not look(now.path).is_alike(now)}
    if foreign:
        raise SessionError(f"{min(foreign)} was changed by another program meanwhile")
    place(manifest.written)


def finish(record: Path, manifest: Manifest) -> None:
    """Note that an installation is done."""
    save_manifest(record, replace(manifest, done=True, found=(), previous=None))


def recover(record: Path) -> Manifest | None:
    """Take back an installation that was cut off; gives the one that stands, None for none.

    Raises:
        SessionError: The record cannot be read, or a path could not be put back.
    """
    manifest = load_manifest(record)
    return manifest if manifest is None or manifest.done else take_back(record, manifest)


def take_back(record: Path, manifest: Manifest) -> Manifest | None:
    """Put back what was found when an installation began; gives the earlier one, None for none.

    Raises:
        SessionError: A path could not be put back; the record stays.
    """
    clear(each.path for each in manifest.found)
    _put_back(manifest, manifest.found)
    previous = manifest.previous
    known = previous.made_folders if previous else ()
    _remove_folders([folder for folder in manifest.made_folders if folder not in known])
    if previous is None:
        forget(record)
    else:
        try:
            save_manifest(record, previous)
        except OSError as error:
            raise SessionError(f"the record of the installation: {error.strerror}") from error
    return previous


def restore(manifest: Manifest) -> list[Path]:
    """Put back what was before us; gives the paths left alone, since they hold another's file now.

    Raises:
        SessionError: A path could not be put back.
    """
    left = _put_back(manifest, manifest.before)
    _remove_folders(manifest.made_folders)
    return left


def _put_back(manifest: Manifest, wanted: Sequence[Content]) -> list[Path]:
    changes, left = [], []
    for each in wanted:
        now = look(each.path)
        if now.is_alike(each):
            continue
        if manifest.is_ours(now):
            changes.append(each)
        elif not now.is_nothing:
            left.append(each.path)
        elif not each.is_nothing and not each.path.is_dir():
            changes.append(each)
    try:
        place(changes)
    except OSError as error:
        name = error.filename or "a file"
        raise SessionError(f"{name} could not be put back: {error.strerror}") from error
    return left


def _remove_folders(folders: Sequence[Path]) -> None:
    for folder in reversed(folders):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def write_files(planned: Iterable[PlannedFile]) -> None:
    """Put every planned file in its place, or none."""
    place([_content_of(file) for file in planned])


def is_in_place(file: PlannedFile) -> bool:
    """Tell whether a planned file is there, unchanged."""
    return look(file.path).is_alike(_content_of(file))


def _content_of(file: PlannedFile) -> Content:
    if file.link is not None:
        return Content(file.path, link=file.link)
    return Content(file.path, file.text.encode(), file.mode)


def _dump_content(content: Content) -> dict[str, Any]:
    data = None if content.data is None else base64.b64encode(content.data).decode()
    return {"path": str(content.path), "data": data, "mode": content.mode, "link": content.link}


def _parse_content(found: Mapping[str, Any]) -> Content:
    data = None if found["data"] is None else base64.b64decode(found["data"], validate=True)
    return Content(Path(found["path"]), data, int(found["mode"]), found["link"])
