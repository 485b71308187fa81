# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a login hands its key to us, and the line of PAM that has it do so. Reads, never edits.

Debian's ``pam-auth-update`` writes the line out of the profile that ``session install --system``
puts down. Elsewhere an administrator has to, and is shown which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.session.files import LOGIN_HELPER
from kwallet_bridge.session.findings import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK: Final = "login"
MODULE: Final = "pam_kwallet5.so"
SERVICES: Final = ("plasmalogin", "sddm", "gdm-password", "lightdm", "greetd", "lxdm", "ly", "xdm")
"""PAM services of display managers."""
FOLDERS: Final = ("etc/pam.d", "usr/lib/pam.d", "usr/etc/pam.d")
"""Where PAM looks for a service, the winning folder first."""
PREFIXES: Final = ("usr", "usr/local")
MODULE_FOLDERS: Final = ("lib/security", "lib64/security", "lib/*/security")
_LINE = re.compile(
    rf"-?(?P<type>auth|session)\s+(?:\[[^]]*\]|\S+)\s+(?:\S*/)?{re.escape(MODULE)}(?:\s.*)?"
)
_INCLUDE = re.compile(
    r"(?:@include|-?(?P<type>auth|session)\s+(?:include|substack))\s+(?P<name>\S+)"
)


@dataclass(frozen=True, slots=True)
class Service:
    """A display manager's lines about the module, those of included files too, in their order."""

    path: Path
    auth: tuple[str, ...]
    session: tuple[str, ...]

    @property
    def hands_over(self) -> bool:
        """Whether the session line that counts, which is the first, starts the helper.

        A ``kwalletd=`` on the auth line stays in force for the session's.
        """
        options = " ".join((*self.auth, *self.session[:1]))
        return bool(self.auth and self.session) and bool(
            re.search(rf"\skwalletd=\S*/{LOGIN_HELPER}(?:\s|$)", options)
        )


def check_login_handover(root: Path = Path("/")) -> Finding:
    """See whether a login's key reaches us, and name what an administrator would have to do."""
    services = list(list_services(root))
    lacking = [service for service in services if not service.hands_over]
    if not has_module(root):
        return _note(f"{MODULE} is not installed: a login hands over no key")
    helper = find_helper(root)
    if helper is None:
        install = "sudo kwallet-bridge session install --system"
        return _note(f"{LOGIN_HELPER} is not installed: a login hands over no key", next_=install)
    if services and not lacking:
        seen = tuple(f"{service.path}: hands the login's key over" for service in services)
        return Finding(CHECK, Status.OK, seen)
    if has_pam_auth_update(root):
        enable = "sudo pam-auth-update --enable kwallet-bridge"
        return _note("a login hands over no key: the profile is not switched on", next_=enable)
    return _note(*_tell(lacking), next_=session_line(helper))


def _note(*seen: str, next_: str = "") -> Finding:
    return Finding(CHECK, Status.NOTE, seen, next_)


def _tell(lacking: list[Service]) -> Iterator[str]:
    yield "a login hands over no key; an administrator can have it, by the line below"
    if not lacking:
        yield "in the file of your display manager in /etc/pam.d, which has to have this one too:"
        yield auth_line()
    for service in lacking:
        if service.session:
            yield f"{service.path}: in place of: {service.session[0]}"
        else:
            yield f"{service.path}: behind its other session lines"
        if not service.auth:
            yield f"{service.path}: and behind its auth lines: {auth_line()}"


def session_line(helper: Path) -> str:
    """Return the session line that starts the helper; without the module it does nothing."""
    return f"-session optional {MODULE} kwalletd={helper}"


def auth_line() -> str:
    """Return the auth line by which the module has the password."""
    return f"-auth optional {MODULE}"


def find_helper(root: Path) -> Path | None:
    """Return the installed helper's path as PAM is to be told; None if there is none."""
    for prefix in PREFIXES:
        if (root / prefix / "libexec" / LOGIN_HELPER).is_file():
            return Path("/", prefix, "libexec", LOGIN_HELPER)
    return None


def has_module(root: Path) -> bool:
    """Return whether KDE's PAM module is installed."""
    return any(
        (folder / MODULE).is_file()
        for top in (root, root / "usr")
        for each in MODULE_FOLDERS
        for folder in top.glob(each)
    )


def has_pam_auth_update(root: Path) -> bool:
    """Return whether the system writes PAM's common files out of profiles, as Debian does."""
    return (root / "usr/sbin/pam-auth-update").is_file()


def list_services(root: Path) -> Iterator[Service]:
    """List the display managers that have a file of PAM's."""
    for name in SERVICES:
        path = _find(root, name)
        if path is not None:
            lines = list(_read_lines(root, name, frozenset()))
            shown = Path("/") / path.relative_to(root)
            yield Service(shown, _of(lines, "auth"), _of(lines, "session"))


def _of(lines: list[str], kind: str) -> tuple[str, ...]:
    found = ((line, _LINE.fullmatch(line)) for line in lines)
    return tuple(line for line, match in found if match is not None and match["type"] == kind)


def _read_lines(root: Path, name: str, above: frozenset[str]) -> Iterator[str]:
    """Read a service's lines, with those of what it includes in their place."""
    path = _find(root, name)
    if path is None or name in above:
        return
    try:
        text = path.read_text("utf-8", "replace").replace("\\\n", " ")
    except OSError:
        return
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        include = _INCLUDE.fullmatch(line)
        if include is not None:
            for each in _read_lines(root, include["name"], above | {name}):
                if include["type"] is None or each.lstrip("-").startswith(include["type"]):
                    yield each
        elif line:
            yield line


def _find(root: Path, name: str) -> Path | None:
    if "/" in name:
        return None
    return next((path for each in FOLDERS if (path := root / each / name).is_file()), None)
