# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check of ``kwallet-bridge doctor`` says, fit to be pasted in a bug report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Status(Enum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing to do."""
    WARNING = "warning"
    """Works, and will not always."""
    PROBLEM = "problem"
    """Does not work."""

    @property
    def is_finding(self) -> bool:
        """Whether a person should do something."""
        return self in {Status.WARNING, Status.PROBLEM}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check, with the one next command where there is one."""

    check: str
    status: Status
    seen: tuple[str, ...]
    next: str = ""

    def to_json(self) -> dict[str, object]:
        """Give the fields for JSON."""
        return {
            "check": self.check,
            "status": self.status.value,
            "seen": list(self.seen),
            "next": self.next,
        }

    def format(self) -> str:
        """Give the lines for a person."""
        head, *rest = map(printable, self.seen or ("nothing",))
        lines = [f"{self.status.value:8} {self.check}: {head}", *(f"{'':9}{line}" for line in rest)]
        if self.next:
            lines.append(f"{'':9}-> {printable(self.next)}")
        return "\n".join(lines)


def redact(finding: Finding, environ: Mapping[str, str]) -> Finding:
    """Replace the home directory and the user's name in everything shown."""
    return Finding(
        finding.check,
        finding.status,
        tuple(_redact_text(line, environ) for line in finding.seen),
        _redact_text(finding.next, environ),
    )


def _redact_text(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "").rstrip("/")
    if home:
        text = text.replace(home, "~")
    for variable in ("USER", "LOGNAME"):
        name = environ.get(variable, "")
        if name and name != "root":
            text = text.replace(f"/{name}/", "/USER/")
    return text


def count(findings: Sequence[Finding]) -> int:
    """Count what a person should do something about."""
    return sum(finding.status.is_finding for finding in findings)
