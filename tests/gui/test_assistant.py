# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support import scripted_program as story
from support.scripted_program import Script, ScriptedProgram
from support.windows import check_controls, wait_until

from kwallet_bridge.gui.child import Child
from kwallet_bridge.gui.wizard import MigrationAssistant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("application")

CANARY = "c4n4ry-p4ssword"


@contextmanager
def assisted(
    folder: Path, script: Script = story.WHOLE_STORY
) -> Iterator[tuple[MigrationAssistant, ScriptedProgram]]:
    """Show the assistant over a scripted command line, its search done."""
    program = ScriptedProgram(folder, script)
    assistant = MigrationAssistant(program=program.command)
    assistant.show()
    searching = assistant.tr("Looking for wallets…")
    wait_until(lambda: assistant.found.status.text() != searching)
    yield assistant, program
    assistant.reject()


def go_to_plan(assistant: MigrationAssistant) -> None:
    """Go on to the plan, giving the password."""
    assistant.next()
    wait_until(assistant.plan.asking.isVisible)
    assistant.plan.password.setText(CANARY)
    assistant.plan.unlock.click()
    wait_until(assistant.plan.isComplete)


def go_to_result(assistant: MigrationAssistant) -> None:
    """Do it all."""
    go_to_plan(assistant)
    assistant.next()
    wait_until(lambda: assistant.currentPage() is assistant.ending)


def texts_of(assistant: MigrationAssistant) -> list[str]:
    """Give every cell of the result's list."""
    tree = assistant.ending.steps
    found = []
    for number in range(tree.topLevelItemCount()):
        top = tree.topLevelItem(number)
        assert top is not None
        rows = [top] + [top.child(each) for each in range(top.childCount())]
        found += [row.text(column) for row in rows if row for column in range(3)]
    return found


def test_only_what_was_not_moved_is_chosen(tmp_path: Path) -> None:
    """A wallet moved before is listed with its date and not ticked; the other one is."""
    with assisted(tmp_path) as (assistant, _):
        assert assistant.found.chosen_files() == [story.FILE]
        second = assistant.found.wallets.topLevelItem(1)
        assert second is not None
        assert second.text(0) == "work (moved on 02/01/2026)"


def test_without_wallets_there_is_no_next(tmp_path: Path) -> None:
    """Where nothing is found the assistant says so and does not go on."""
    with assisted(tmp_path, [(["--list"], [])]) as (assistant, _):
        assert "no wallet files" in assistant.found.status.text()
        assert not assistant.found.isComplete()


def test_the_plan_asks_and_writes_nothing(tmp_path: Path) -> None:
    """Up to the plan only --list and --dry-run were started."""
    with assisted(tmp_path) as (assistant, program):
        go_to_plan(assistant)
        assert assistant.plan.status.text() == "2 entries would be written."
        assert all({"--list", "--dry-run"} & set(argv) for argv in program.argvs())
        assert len(program.argvs()) == 2


def test_the_password_goes_over_standard_input_only(tmp_path: Path) -> None:
    """The password is typed once, answers both runs, and is in no argument; nor is a file name."""
    with assisted(tmp_path) as (assistant, program):
        go_to_result(assistant)
        choice = {"id": 1, "files": [story.FILE]}
        assert program.answers() == [choice, {"id": 2, "password": CANARY}] * 2
        words = " ".join(word for argv in program.argvs() for word in argv)
        assert CANARY not in words
        assert "kdewallet" not in words
        assert assistant.plan.password.text() == ""
        assert assistant.plan._passwords == {}


def test_a_wrong_password_is_asked_again(tmp_path: Path) -> None:
    """A second need-password shows the question again and says why."""
    again = story.ASK | {"id": 3, "try": 2}
    script: Script = [
        story.WHOLE_STORY[0],
        (["--dry-run"], [["err", story.ASK], ["read"], ["err", again], ["read"],
                         ["out", story.plan_result(story.PLANNED)]]),
    ]  # fmt: skip
    with assisted(tmp_path, script) as (assistant, program):
        assistant.next()
        wait_until(assistant.plan.asking.isVisible)
        assistant.plan.password.setText("wrong")
        assistant.plan.unlock.click()
        wait_until(lambda: "again" in assistant.plan.status.text())
        assistant.plan.password.setText(CANARY)
        assistant.plan.unlock.click()
        wait_until(assistant.plan.isComplete)
        assert [each["password"] for each in program.answers()] == ["wrong", CANARY]


def test_a_wallet_can_be_left_out(tmp_path: Path) -> None:
    """Leave This Wallet Out answers cancel."""
    with assisted(tmp_path) as (assistant, program):
        assistant.next()
        wait_until(assistant.plan.asking.isVisible)
        assistant.plan.leave_out.click()
        wait_until(assistant.plan.isComplete)
        assert program.answers()[-1] == {"id": 2, "cancel": True}


def test_the_choice_about_conflicts_reaches_the_command(tmp_path: Path) -> None:
    """Another choice makes a new plan with it, without asking for the password again."""
    with assisted(tmp_path) as (assistant, program):
        go_to_plan(assistant)
        assistant.plan.policy.setCurrentIndex(1)
        assistant.plan.policy.activated.emit(1)
        wait_until(assistant.plan.isComplete)
        argv = program.argvs()[-1]
        assert argv[argv.index("--on-conflict") + 1] == "replace"
        assert not assistant.plan.asking.isVisible()
        assert program.answers()[-1] == {"id": 2, "password": CANARY}


def test_the_result_tells_what_was_left_out_and_why(tmp_path: Path) -> None:
    """The last page counts what was moved and names the entry that was not, with the reason."""
    with assisted(tmp_path) as (assistant, _):
        go_to_result(assistant)
        summary = assistant.ending.summary.text()
        assert "2 entries were moved and checked." in summary
        assert "1 entry was there already." in summary
        assert "Not everything was moved" in summary
        texts = texts_of(assistant)
        assert texts[texts.index("Passwords / vpn") :][:3] == [
            "Passwords / vpn",
            "left out",
            "the password store has another value",
        ]


def test_taking_back_needs_two_presses(tmp_path: Path) -> None:
    """The first press asks, the second runs --undo with the run's name, and it cannot be pressed again."""
    with assisted(tmp_path) as (assistant, program):
        go_to_result(assistant)
        assistant.ending.undo.click()
        assert not any("--undo" in argv for argv in program.argvs())
        assistant.ending.undo.click()
        wait_until(lambda: "taken back" in assistant.ending.summary.text())
        assert program.argvs()[-1][-2:] == ["--undo", "20261122-101500-ab12"]
        assert not assistant.ending.undo.isEnabled()


def test_an_error_of_the_command_is_said(tmp_path: Path) -> None:
    """Where there is no provider the plan page says so and does not go on."""
    error = {"type": "error", "error": "StoreUnavailableError", "message": "x", "exit_code": 5}
    script: Script = [story.WHOLE_STORY[0], (["--dry-run"], [["out", error], ["exit", 5]])]
    with assisted(tmp_path, script) as (assistant, _):
        assistant.next()
        wait_until(lambda: "no password store" in assistant.plan.status.text())
        assert not assistant.plan.isComplete()


def test_cancel_ends_the_child(tmp_path: Path) -> None:
    """Cancel in the middle of the work leaves no process behind."""
    with assisted(tmp_path, story.HALF_A_STORY) as (assistant, _):
        go_to_plan(assistant)
        assistant.next()
        wait_until(lambda: assistant.work.bar.maximum() == 2)
        children = assistant.findChildren(Child)
        assert any(child.is_running for child in children)
        assistant.reject()
        assert not any(child.is_running for child in children)


def test_every_page_has_names_for_screen_readers(tmp_path: Path) -> None:
    """Each control of each page that the keyboard reaches has a name."""
    with assisted(tmp_path) as (assistant, _):
        check_controls(assistant)
        assistant.next()
        wait_until(assistant.plan.asking.isVisible)
        check_controls(assistant)
        assistant.plan.password.setText(CANARY)
        assistant.plan.unlock.click()
        wait_until(assistant.plan.isComplete)
        assistant.next()
        wait_until(lambda: assistant.currentPage() is assistant.ending)
        check_controls(assistant)
