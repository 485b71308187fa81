# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor's look for stores that hold items and that the present provider does not serve."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.keyringfile.file import read_start
from kwallet_bridge.keyringfile.folder import default_path
from kwallet_bridge.keyringfile.format import MAGIC, PREFIX, is_keyring
from kwallet_bridge.session.findings import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SHARED_FILE: Final = "encrypted keyring file"
"""libsecret's and oo7's format, which the bridge itself uses without a provider."""
OWN_FILE: Final = "the bridge's own keyring file"
"""The same beside gnome-keyring's files, where only the bridge looks."""
BRIDGE: Final = ""
"""Who serves where a keyring file was decided for, or nobody provides the Secret Service."""
SERVED_BY: Final[Mapping[str, frozenset[str]]] = {
    "gnome-keyring": frozenset({"gnome-keyring", "oo7"}),  # oo7 takes them over
    SHARED_FILE: frozenset({BRIDGE, "oo7"}),
    OWN_FILE: frozenset({BRIDGE}),
    "ksecretd": frozenset({"ksecretd"}),
}
"""Who serves which kind of file."""


def check_second_stores(environ: Mapping[str, str], serving: Collection[str]) -> Finding:
    """See which stores hold items that none of those who are ``serving`` serves."""
    own = default_path(environ)
    found = _list_files(environ, own)
    second = {
        kind: files
        for kind, files in found.items()
        if files and SERVED_BY[kind].isdisjoint(serving)
    }
    if not second:
        return Finding("second stores", Status.OK, ("none",))
    seen = [
        f"{folder}: {sum(path.parent == folder for path in files)} of {kind}"
        for kind, files in second.items()
        for folder in sorted({path.parent for path in files})
    ]
    seen.append("programs that used these see nothing of it now")
    fix = ""
    if any(own in files for files in second.values()):
        fix = f"kwallet-bridge copy --from {shlex.quote(f'file:{own}')} --dry-run"
    return Finding("second stores", Status.NOTE, tuple(seen), fix)


def _list_files(environ: Mapping[str, str], own: Path) -> dict[str, list[Path]]:
    """Sort the files by what they begin with."""
    data = Path(environ.get("XDG_DATA_HOME") or Path(environ["HOME"]) / ".local/share")
    shared = sorted({*data.glob("keyrings/*.keyring"), *data.glob("keyrings/v1/*.keyring")})
    starts = {path: read_start(path, len(PREFIX)) for path in (*shared, own)}
    keyrings = [path for path, start in starts.items() if is_keyring(start)]
    return {
        "gnome-keyring": [
            path
            for path, start in starts.items()
            if start.startswith(MAGIC) and path not in keyrings
        ],
        SHARED_FILE: [path for path in keyrings if path in shared],
        OWN_FILE: [path for path in keyrings if path not in shared],
        "ksecretd": sorted(data.glob("kwalletd/*_attributes.json")),
    }
