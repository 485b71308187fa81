# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the command line that a window drives: it says what a test wrote down.

The script is a list of (words, steps): the first whose words are all among the arguments is played.
A step is ["err", object], ["out", object], ["read"], ["hang"] or ["exit", code].
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROGRAM = """\
import json, os, signal, sys
folder, *arguments = sys.argv[1:]
log = open(folder + '/log.jsonl', 'a', buffering=1)
print(json.dumps(['argv', *arguments]), file=log)
script = json.load(open(folder + '/script.json'))
steps = next(steps for words, steps in script if set(words) <= set(arguments))
for kind, *rest in steps:
    if kind == 'err':
        print(json.dumps(rest[0]), file=sys.stderr, flush=True)
    elif kind == 'out':
        print(json.dumps(rest[0]), flush=True)
    elif kind == 'read':
        print(json.dumps(['read', json.loads(sys.stdin.readline() or 'null')]), file=log)
    elif kind == 'hang':
        signal.pause()
    else:
        sys.exit(rest[0])
"""
Script = list[tuple[list[str], list[list[Any]]]]


class ScriptedProgram:
    """The stand-in, and what it was given."""

    def __init__(self, folder: Path, script: Script) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log.jsonl"
        (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
        (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        self.command: Sequence[str] = (
            sys.executable,
            "-I",
            str(folder / "program.py"),
            str(folder),
        )

    def _lines(self, kind: str) -> list[list[Any]]:
        if not self._log.exists():
            return []
        lines = [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]
        return [line[1:] for line in lines if line[0] == kind]

    def argvs(self) -> list[list[str]]:
        """Give the arguments of each start."""
        return self._lines("argv")

    def answers(self) -> list[Any]:
        """Give every line that was read from standard input."""
        return [line[0] for line in self._lines("read")]


def row(key: str, word: str, *, folder: str = "Passwords", **more: object) -> dict[str, object]:
    """Make a row of a report."""
    action = {"created": "create", "skipped": "skip"}.get(word, word)
    place = {"kind": "entry", "wallet": "kdewallet", "folder": folder, "key": key}
    return place | {"entry_type": "password", "action": action} | more


def plan_result(rows: Sequence[dict[str, object]], wallet: str = "kdewallet") -> dict[str, object]:
    """Make the result line of a dry run."""
    return result(rows, wallet) | {"dry_run": True, "run": None}


def result(rows: Sequence[dict[str, object]], wallet: str = "kdewallet") -> dict[str, object]:
    """Make the result line of a run."""
    return {
        "type": "result",
        "schema": 1,
        "run": "20261122-101500-ab12",
        "dry_run": False,
        "resumable": False,
        "wallets": [{"wallet": wallet, "warnings": [], "rows": list(rows), "counts": {}}],
        "refused": [],
        "exit_code": 0,
    }


FILE = "/home/me/.local/share/kwalletd/kdewallet.kwl"
FOUND = {"type": "wallet", "wallet": "kdewallet", "file": FILE, "run": None, "moved": None}
SECOND = FOUND | {"wallet": "work", "file": "/home/me/.local/share/kwalletd/work.kwl"}
MOVED = SECOND | {"run": "20260102-030405-ffff", "moved": 1767323045}
CHOICE = {"type": "need-choice", "id": 1, "files": [FILE]}
ASK = {"type": "need-password", "id": 2, "wallet": "kdewallet", "file": FILE, "try": 1}
PLANNED = [
    row("mail.example.org", "create"),
    row("me@chat.example.net", "create"),
    row("printer", "same"),
    row("vpn", "skip", reason="another-value"),
]
WORKED = [
    row("mail.example.org", "create", outcome="created", verified=True),
    row("me@chat.example.net", "create", outcome="created", verified=True),
    row("printer", "same", outcome="same", verified=True),
    row("vpn", "skip", outcome="skipped", verified=False, reason="another-value"),
]
PROGRESS = {"type": "progress", "stage": "write", "wallet": "kdewallet", "done": 1, "total": 2}
UNDONE = {
    "type": "undo",
    "schema": 1,
    "run": "20261122-101500-ab12",
    "rows": [row("mail.example.org", "create", outcome="removed")],
}
WHOLE_STORY: Script = [
    (["--list"], [["out", FOUND], ["out", MOVED]]),
    (
        ["--dry-run"],
        [["err", CHOICE], ["read"], ["err", ASK], ["read"], ["out", plan_result(PLANNED)],
         ["exit", 3]],
    ),
    (["--undo"], [["out", UNDONE]]),
    (
        ["migrate"],
        [["err", CHOICE], ["read"], ["err", ASK], ["read"], ["err", PROGRESS],
         ["out", result(WORKED)], ["exit", 3]],
    ),
]  # fmt: skip
HALF_A_STORY: Script = [
    *WHOLE_STORY[:3],
    (["migrate"], [["err", CHOICE], ["read"], ["err", ASK], ["read"], ["err", PROGRESS], ["hang"]]),
]
"""Ends in the middle of the work."""
STATUS = {
    "type": "status",
    "owner": "kwallet-bridge (pid 1402, kwallet-bridge.service)",
    "is_bridge": True,
    "provider": "gnome-keyring-daemon (pid 1288, gnome-keyring-daemon.service)",
    "enabled": True,
    "wallets": [
        {"name": "kdewallet", "is_open": True, "users": ["kmail", "Chromium"]},
        {"name": "work", "is_open": False, "users": []},
    ],
    "refusals": [
        {
            "time": 1795342500.5,
            "appid": "kmail",
            "pid": 5123,
            "executable": "/home/me/Downloads/helper",
            "wallet": "kdewallet",
        }
    ],
}
STATUS_STORY: Script = [(["status"], [["out", STATUS]]), (["monitor"], [["hang"]])]
