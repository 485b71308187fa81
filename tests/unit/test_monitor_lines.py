# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from kwallet_bridge.wire.calls import CALLS
from kwallet_bridge.wire.observed import NAME_ARGUMENTS, ObservedCall

CALL = ObservedCall(0.0, "evil\x1b[2J\n", 7, "/usr/bin/vlc", "readPassword", "ok", 0.0012, {})


def test_a_line_cannot_steer_the_terminal() -> None:
    """Control letters in a claimed appid are shown escaped."""
    line = CALL.format()
    assert line.endswith('vlc (7) as "evil\\x1b[2J\\n"  readPassword  ok  1.2 ms')
    assert line.isprintable()


def test_a_call_survives_the_bus() -> None:
    """The body of the signal gives the same call back."""
    assert ObservedCall.from_body(CALL.to_body()) == CALL


def test_values_are_never_among_the_names() -> None:
    """No argument that carries a value, a hash or a password counts as a name."""
    keywords = {argument.keyword for row in CALLS for argument in row.arguments}
    assert keywords >= NAME_ARGUMENTS
    assert not NAME_ARGUMENTS & {"value", "password_hash", "path"}
