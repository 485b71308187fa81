# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions for passwords, one at a time, in windows whose answers a test makes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import TYPE_CHECKING

import pytest
from support.scripted_dialog import ScriptedDialogs

from kwallet_bridge.daemon.passwords import PasswordAnswer, PasswordAsker
from kwallet_bridge.daemon.screen import Screen, WindowUnavailableError
from kwallet_bridge.question import PasswordQuestion, Purpose
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOVE = PasswordQuestion(Purpose.MOVE, "kdewallet", may_start_without=True)
UNLOCK = PasswordQuestion(Purpose.UNLOCK, "kdewallet")


async def _environ() -> Mapping[str, str]:
    return os.environ


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[ScriptedDialogs]:
    """Windows that a test answers."""
    with ScriptedDialogs(tmp_path) as made:
        yield made


def _asker(windows: ScriptedDialogs) -> PasswordAsker:
    return PasswordAsker(Screen(_environ), [str(windows.program)])


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        (UNLOCK, {"password": base64.b64encode(b"p\xc3\xa4 ").decode()}, b"p\xc3\xa4 "),
        (UNLOCK, {"password": ""}, b""),
        (UNLOCK, {"password": "no base64!"}, None),
        (UNLOCK, {"password": "é"}, None),
        (UNLOCK, {"password": 3}, None),
        (UNLOCK, {"decision": "later"}, None),
        (UNLOCK, {"decision": "start-without"}, None),
        (MOVE, {"decision": "start-without"}, True),
        (MOVE, {"decision": "later"}, None),
        (MOVE, {}, None),
    ],
)
async def test_each_answer(
    windows: ScriptedDialogs,
    question: PasswordQuestion,
    said: dict[str, object],
    expected: bytes | bool | None,  # noqa: FBT001  a row
) -> None:
    """A password is its bytes; a decision counts where it was offered; all else is "later"."""
    asking = asyncio.create_task(_asker(windows).ask(question))
    shown = await asyncio.to_thread(windows.wait)
    assert PasswordQuestion.parse(json.dumps(shown.question)) == question
    shown.say(said)
    answer = await asking
    if isinstance(expected, bytes):
        assert answer == PasswordAnswer(Secret(expected))
    else:
        assert answer == PasswordAnswer(start_without=bool(expected))
    assert "Secret(...)" in repr(answer) or answer.password is None


async def test_further_questions_wait_and_a_withdrawn_one_makes_room(
    windows: ScriptedDialogs,
) -> None:
    """One window at a time; who leaves takes the window along, or the place in the queue."""
    asker = _asker(windows)
    first = asyncio.create_task(asker.ask(UNLOCK))
    shown = await asyncio.to_thread(windows.wait)
    leaving = asyncio.create_task(asker.ask(UNLOCK))
    last = asyncio.create_task(asker.ask(MOVE))
    await asyncio.sleep(0)
    assert windows.none_came()
    leaving.cancel()
    first.cancel()
    await asyncio.to_thread(shown.wait_withdrawn)
    second = await asyncio.to_thread(windows.wait)
    assert second.question["purpose"] == "move"
    second.crash()
    assert await last == PasswordAnswer()


@pytest.mark.parametrize("program", ["none", "silent", "refusing"])
async def test_a_window_that_cannot_be_shown_is_told_apart(tmp_path: Path, program: str) -> None:
    """Nobody has said no where nobody was asked."""
    place = tmp_path / program
    texts = {"silent": "#!/bin/sh\n", "refusing": '#!/bin/sh\necho \'{"unavailable": "why"}\'\n'}
    if program in texts:
        place.write_text(texts[program])
        place.chmod(0o700)
    asker = PasswordAsker(Screen(_environ), [str(place)])
    with pytest.raises(WindowUnavailableError, match=r"why|ended before|cannot be started"):
        await asker.ask(UNLOCK)


async def test_a_window_that_begins_with_an_endless_line_is_none(tmp_path: Path) -> None:
    """What is no answer at all is a window that cannot be shown, not a fault of ours."""
    program = tmp_path / "window"
    program.write_text("#!/bin/sh\nhead -c 100000 /dev/zero\n")
    program.chmod(0o755)
    with pytest.raises(WindowUnavailableError):
        await PasswordAsker(Screen(_environ), [str(program)]).ask(UNLOCK)
