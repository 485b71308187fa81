# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PyQt6.QtCore import Qt
from support import scripted_program as story
from support.scripted_program import Script, ScriptedProgram
from support.windows import check_controls, press, wait_until

from kwallet_bridge.gui.child import Child
from kwallet_bridge.gui.status import StatusWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("application")


@contextmanager
def status_of(
    folder: Path, script: Script = story.STATUS_STORY
) -> Iterator[tuple[StatusWindow, ScriptedProgram]]:
    """Show the window with its first answer."""
    program = ScriptedProgram(folder, script)
    window = StatusWindow(program=program.command)
    window.show()
    wait_until(lambda: window.wallets.topLevelItemCount() > 0)
    yield window, program
    window.close()


def starts(program: ScriptedProgram, word: str) -> int:
    """Count the starts of one command."""
    return sum(argv[0] == word for argv in program.argvs())


def test_provider_wallets_users_and_refusals_are_shown(tmp_path: Path) -> None:
    """Owner, provider, each wallet with its users, and each refusal are in the window."""
    with status_of(tmp_path) as (window, _):
        assert window.service.full_text.startswith("kwallet-bridge (pid 1402")
        assert window.provider.full_text.startswith("gnome-keyring-daemon")
        first = window.wallets.topLevelItem(0)
        assert first is not None
        assert (first.text(0), first.text(1), first.childCount()) == ("kdewallet", "open", 2)
        refusal = window.refusals.topLevelItem(0)
        assert refusal is not None
        assert refusal.text(1) == "“kmail”, process 5123 of /home/me/Downloads/helper"


def test_an_open_is_seen_without_asking(tmp_path: Path) -> None:
    """A call that changes something makes the window ask again."""
    script: Script = [
        (["status"], [["out", story.STATUS]]),
        (["monitor"], [["out", {"member": "openAsync", "outcome": "ok"}], ["hang"]]),
    ]
    with status_of(tmp_path, script) as (_, program):
        wait_until(lambda: starts(program, "status") == 2)


def test_what_happened_before_the_watch_began_is_seen(tmp_path: Path) -> None:
    """The window looks again once changes are told, also when the service came later."""
    script: Script = [
        (["status"], [["out", story.STATUS]]),
        (["monitor"], [["err", {"watching": "kwallet-bridge"}], ["hang"]]),
    ]
    with status_of(tmp_path, script) as (_, program):
        wait_until(lambda: starts(program, "status") == 2)


def test_our_own_questions_do_not_make_us_ask_again(tmp_path: Path) -> None:
    """Calls that the status command itself makes start nothing."""
    calls = [["out", {"member": name}] for name in ("isEnabled", "wallets", "isOpen", "users")]
    script: Script = [
        (["status"], [["out", story.STATUS]]),
        (["monitor"], [*calls, ["out", {"member": "close"}], ["hang"]]),
    ]
    with status_of(tmp_path, script) as (window, program):
        wait_until(lambda: starts(program, "status") == 2)
        assert window._settle.isActive() is False


def test_nobody_is_said(tmp_path: Path) -> None:
    """Without a service and a provider the window says that nobody answers."""
    empty = story.STATUS | {"owner": "", "provider": "", "wallets": [], "refusals": []}
    script: Script = [(["status"], [["out", empty]]), (["monitor"], [["exit", 50]])]
    with status_of(tmp_path, script) as (window, _):
        assert window.service.full_text == "Nobody answers"
        assert window.provider.full_text == "Nobody answers"


def test_escape_closes_and_leaves_no_process(tmp_path: Path) -> None:
    """Escape closes the window, and its children end with it."""
    with status_of(tmp_path) as (window, _):
        children = window.findChildren(Child)
        assert any(child.is_running for child in children)
        press(window, Qt.Key.Key_Escape)
        assert not window.isVisible()
        assert not any(child.is_running for child in children)


def test_status_has_names_for_screen_readers(tmp_path: Path) -> None:
    """Each control has a name."""
    with status_of(tmp_path) as (window, _):
        check_controls(window)
