# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store is chosen, and what is kept of an open that succeeded: no bus, no disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kwallet_bridge.bus.port import Variant
from kwallet_bridge.daemon.choice import Choice, Surroundings, choose_store, named_store
from kwallet_bridge.daemon.serving import Served, note_served
from kwallet_bridge.errors import UsageError
from kwallet_bridge.statefile import Decision, MadeBy, State, StoreKind
from kwallet_bridge.wire.store_status import StoreStatus

KEY = bytes(32)
NOBODY = State(key=KEY)
BY_PROVIDER = Decision(StoreKind.PROVIDER, MadeBy.FIRST_OPEN, 5, provider="keepassxc", served_at=5)
BY_FILE = Decision(StoreKind.FILE, MadeBy.INSTALL, 5, path="/k")
PASSWORD = Surroundings(password_given=True)


@pytest.mark.parametrize(
    ("decision", "around", "kind"),
    [
        (None, Surroundings(), StoreKind.PROVIDER),
        (None, PASSWORD, StoreKind.FILE),
        (None, replace(PASSWORD, provider_there=True), StoreKind.PROVIDER),
        (None, replace(PASSWORD, provider_served=True), StoreKind.PROVIDER),
        (None, Surroundings(sandboxed=True), StoreKind.FILE),
        (BY_PROVIDER, Surroundings(), StoreKind.PROVIDER),
        (BY_PROVIDER, PASSWORD, StoreKind.PROVIDER),
        (BY_PROVIDER, Surroundings(sandboxed=True), StoreKind.FILE),
        (BY_FILE, Surroundings(provider_there=True, provider_served=True), StoreKind.FILE),
    ],
)
def test_auto_is_what_was_decided(
    decision: Decision | None, around: Surroundings, kind: StoreKind
) -> None:
    """A decision wins over what is there; without one a file serves only where one was asked for."""
    assert choose_store(replace(NOBODY, decision=decision), around).kind is kind


def test_a_provider_is_waited_for_by_its_kind() -> None:
    """What served last is known where a provider was decided for, and only there."""
    assert choose_store(replace(NOBODY, decision=BY_PROVIDER), PASSWORD).waits_for == "keepassxc"
    assert choose_store(replace(NOBODY, decision=BY_FILE), PASSWORD).waits_for == ""
    assert choose_store(NOBODY, Surroundings()).waits_for == ""


@pytest.mark.parametrize(
    ("spec", "choice"),
    [
        ("auto", None),
        ("secret-service", Choice(StoreKind.PROVIDER, MadeBy.COMMAND_LINE)),
        ("file", Choice(StoreKind.FILE, MadeBy.COMMAND_LINE)),
        ("file:a:b", Choice(StoreKind.FILE, MadeBy.COMMAND_LINE, "a:b")),
        ("oo7-file:x", Choice(StoreKind.FILE, MadeBy.COMMAND_LINE, "x", for_oo7=True)),
    ],
)
def test_the_command_line_names_a_store(spec: str, choice: Choice | None) -> None:
    """Every word of --store means one store."""
    assert named_store(spec) == choice


@pytest.mark.parametrize("spec", ["", "file:", "oo7-file", "oo7-file:", "provider", "auto:x"])
def test_other_words_are_refused(spec: str) -> None:
    """A word that is none of them is no store."""
    with pytest.raises(UsageError):
        named_store(spec)


def test_the_first_open_decides() -> None:
    """Where nothing was decided what served is, with its kind and the time."""
    served = Served(StoreKind.PROVIDER, MadeBy.FIRST_OPEN, provider="keepassxc")
    state = note_served(NOBODY, served, 5)
    assert state.decision == BY_PROVIDER
    assert state.provider_served == 5


def test_a_later_open_changes_nothing() -> None:
    """The first time stays, and so does the provider that served first."""
    state = replace(NOBODY, decision=BY_PROVIDER, provider_served=5)
    again = Served(StoreKind.PROVIDER, MadeBy.FIRST_OPEN, provider="gnome-keyring")
    assert note_served(state, again, 9) == state


def test_a_decision_for_another_store_stands() -> None:
    """What the command line named for once does not undo a decision, but the provider's is kept."""
    state = replace(NOBODY, decision=BY_FILE)
    served = Served(StoreKind.PROVIDER, MadeBy.FIRST_OPEN, provider="oo7")
    assert note_served(state, served, 9) == replace(state, provider_served=9)
    other = Served(StoreKind.FILE, MadeBy.COMMAND_LINE, path="/other")
    assert note_served(state, other, 9) == state


def test_a_file_that_served_is_kept_with_its_path() -> None:
    """A decision for the standard file learns where that was, and when it served."""
    state = replace(NOBODY, decision=replace(BY_FILE, path=""))
    served = Served(StoreKind.FILE, MadeBy.INSTALL, path="/k")
    kept = note_served(state, served, 9).decision
    assert kept == replace(BY_FILE, served_at=9)
    assert choose_store(replace(NOBODY, decision=kept), Surroundings()).served_before


def test_oo7s_file_stays_oo7s() -> None:
    """A file named as oo7's on the command line is opened so when it is what was decided."""
    served = Served(StoreKind.FILE, MadeBy.COMMAND_LINE, path="/k", for_oo7=True)
    state = note_served(NOBODY, served, 9)
    assert choose_store(state, Surroundings()).for_oo7
    assert not choose_store(replace(NOBODY, decision=BY_FILE), Surroundings()).for_oo7


# --- what is told of it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            StoreStatus("provider", "waiting", "keepassxc", decided_by="first open", decided_at=1),
            "waiting for the Secret Service provider keepassxc; decided by the first open on ",
        ),
        (StoreStatus("provider", "serving"), "the Secret Service provider; nothing is decided yet"),
        (
            StoreStatus("file", "serving", path="/k", decided_by="administrator"),
            "the keyring file /k; decided by an administrator",
        ),
        (StoreStatus(problem="it is damaged"), "no store serves: it is damaged"),
    ],
)
def test_a_line_tells_which_store_and_why(status: StoreStatus, line: str) -> None:
    """A person reads what serves or is waited for, and who decided."""
    assert status.describe().startswith(line)


def test_the_answer_is_read_back() -> None:
    """What is sent is read, and what another daemon tells in another form is left out."""
    status = StoreStatus("file", "serving", path="/k", decided_by="window", decided_at=7, pending=2)
    body = status.to_body()
    assert StoreStatus.from_body(body) == status
    odd = body | {"path": Variant("u", 5), "decided_at": Variant("s", "x"), "n": Variant("s", "")}
    assert StoreStatus.from_body(odd) == replace(status, path="", decided_at=0)
