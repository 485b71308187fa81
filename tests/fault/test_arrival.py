# SPDX-License-Identifier: GPL-3.0-or-later
"""A wallet file that waits is moved when the first program opens it: unasked, or after one question.

Each scene ends with the browser's old key byte for byte, or with nobody having made a new one.
"""

from __future__ import annotations

import base64
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.chromium import APPID, FOLDER, KEY, NEW_KEY, Chromium, FailedError
from support.client import KWALLET
from support.keyrings import PASSWORD as KEYRING_PASSWORD
from support.kwl_writer import SALT
from support.notifications import Notifications
from support.paths import ROOT
from support.peers import Bridge, GnomeKeyring
from support.processes import wait_until
from support.scripted_dialog import ScriptedDialogs
from support.wallet_files import PASSWORD, place_gpg_wallet, place_wallet

from kwallet_bridge.kwl.kdf import derive_pbkdf2_key
from kwallet_bridge.login.helper import SOCKET_NAME
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from support.client import KWalletClient
    from support.private_bus import PrivateBus
    from support.scripted_dialog import ShownDialog

OLD_KEY = "b2xkIGtleSBvZiBhbGw="
CONTENT = {FOLDER: {KEY: OLD_KEY}, "Network Management": {"wifi": "geheim"}}
HAND_OVER = """\
import sys, time
from kwallet_bridge.login import helper
helper.hand_over(bytes.fromhex(sys.stdin.readline()), time.monotonic() + 60)
"""


@pytest.fixture
def windows(bus: PrivateBus) -> Iterator[ScriptedDialogs]:
    """Windows for passwords that a test answers."""
    with ScriptedDialogs(bus.folder) as made:
        yield made


@contextmanager
def _serving(bus: PrivateBus, windows: ScriptedDialogs, store: str = "") -> Iterator[Bridge]:
    """Our daemon over gnome-keyring, or over a file whose password it is given."""
    arguments: tuple[str, ...] = ("--password-window", str(windows.program))
    if store == "file":
        password = bus.home / "keyring-password"
        password.write_bytes(KEYRING_PASSWORD.reveal() + b"\n")
        password.chmod(0o600)
        arguments += ("--store-password-file", str(password))
        with Bridge(
            bus, store=f"file:{bus.data}/keyrings/own.keyring", arguments=arguments
        ) as ours:
            yield ours
        return
    with GnomeKeyring(bus), Bridge(bus, arguments=arguments) as ours:
        yield ours


def _log_in(bus: PrivateBus, password: str) -> subprocess.Popen[bytes]:
    """Have a login's key wait where PAM's helper leaves it."""
    key = derive_pbkdf2_key(Secret.from_text(password), SALT).reveal().hex()
    process = bus.start(
        [sys.executable, "-c", HAND_OVER], stdin=key.encode() + b"\n", env={"PYTHONPATH": str(ROOT)}
    )
    wait_until((bus.folder / "runtime" / SOCKET_NAME).exists)
    return process


def _browse(bus: PrivateBus) -> str:
    """Start a browser; its key, or why it has none."""
    try:
        return Chromium(bus.client(), asynchronous=True, meanwhile=lambda _: None).master_key()
    except FailedError as error:
        return f"failed: {error}"


def _begin_open(client: KWalletClient, wallet: str = "kdewallet") -> int:
    body = [wallet, 0, APPID]
    return client.send(client.service, client.object_path, KWALLET, "open", "sxs", body)


def _type(shown: ShownDialog, password: str) -> None:
    shown.say({"password": base64.b64encode(password.encode()).decode()})


def _wifi(bus: PrivateBus) -> object:
    client = bus.client()
    handle = client.open(appid="nm")
    return client.ask("readPassword", "isss", handle, "Network Management", "wifi", "nm").value


@contextmanager
def _serving_file(bus: PrivateBus, windows: ScriptedDialogs) -> Iterator[Bridge]:
    """Our daemon over a keyring file whose password a person has to type."""
    arguments = ("--password-window", str(windows.program))
    with Bridge(bus, store=f"file:{bus.data}/keyrings/own.keyring", arguments=arguments) as ours:
        yield ours


def _place_salt(bus: PrivateBus) -> None:
    """Put the salt where PAM's module makes one at the first login."""
    folder = bus.home / ".local/share/kwalletd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kdewallet.salt").write_bytes(SALT)


def _open_typing(
    bus: PrivateBus, windows: ScriptedDialogs, *passwords: str, wallet: str = "kdewallet"
) -> tuple[int, list[dict[str, Any]]]:
    """Open the wallet and type one password after the other; return handle and questions."""
    client = bus.client()
    serial = _begin_open(client, wallet)
    questions = []
    for password in passwords:
        shown = windows.wait()
        questions.append(shown.question)
        if password == "later":
            shown.answer(password)
        else:
            _type(shown, password)
    handle = client.wait_reply(serial).value
    assert isinstance(handle, int)
    return handle, questions


def test_a_keyring_file_asks_in_a_window(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """A new file's password is chosen in one, a slip is told, and "later" is a refusal."""
    with _serving_file(bus, windows) as bridge:
        handle, asked = _open_typing(bus, windows, "new password")
        assert handle > 0
        assert [(each["purpose"], each["least"]) for each in asked] == [("create", 4)]
        bridge.restart()
        handle, asked = _open_typing(bus, windows, "a slip", "new password")
        assert handle > 0
        assert [(each["purpose"], each["again"]) for each in asked] == [
            ("unlock", False),
            ("unlock", True),
        ]
        bridge.restart()
        client = bus.client()
        serial = _begin_open(client)
        windows.wait().answer("later")
        assert client.wait_reply(serial).value == -1


def test_a_window_names_the_program_that_waits(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """By the kernel's word, with the claim apart; to choose, to unlock, to move and to delete."""
    this = [
        {
            "appid": APPID,
            "executable": str(Path(sys.executable).resolve()),
            "flatpak": "",
            "application": "",
        }
    ]
    with _serving_file(bus, windows) as bridge:
        _, asked = _open_typing(bus, windows, "new password")
        bridge.restart()
        asked += _open_typing(bus, windows, "a slip", "new password")[1]
        assert [(each["waiting"], each["more"]) for each in asked] == [(this, 0)] * 3
        bridge.restart()
        client = bus.client()
        body = ["kdewallet"]
        serial = client.send(client.service, client.object_path, KWALLET, "deleteWallet", "s", body)
        shown = windows.wait()
        assert shown.question["waiting"] == [this[0] | {"appid": ""}]
        shown.answer("later")
        client.wait_reply(serial)
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows):
        _, asked = _open_typing(bus, windows, PASSWORD)
        assert [(each["purpose"], each["waiting"]) for each in asked] == [("move", this)]


def test_a_keyring_file_opens_at_login(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """Once its password was typed after a login, the next logins open it without a question.

    After the login password was changed it is asked for once, and the former login password does.
    """
    _place_salt(bus)
    with _serving_file(bus, windows) as bridge:
        helper = _log_in(bus, "login")
        assert _open_typing(bus, windows, "the file's")[0] > 0
        assert helper.wait(30) == 0
        bridge.restart()
        helper = _log_in(bus, "login")
        assert _open_typing(bus, windows)[0] > 0
        assert helper.wait(30) == 0
        bridge.restart()
        helper = _log_in(bus, "changed")
        handle, asked = _open_typing(bus, windows, "login")
        assert (handle > 0, [each["again"] for each in asked]) == (True, [False])
        assert helper.wait(30) == 0
        bridge.restart()
        helper = _log_in(bus, "changed")
        assert _open_typing(bus, windows)[0] > 0
        assert helper.wait(30) == 0
        assert windows.none_came()


@pytest.mark.parametrize("store", ["gnome-keyring", "file"])
def test_an_empty_password_is_no_question(
    bus: PrivateBus, windows: ScriptedDialogs, store: str
) -> None:
    """Nothing was protected: the first open moves it, the browser reads its key, nobody is asked."""
    place_wallet(bus.data, CONTENT, password="")
    with _serving(bus, windows, store) as bridge:
        assert _browse(bus) == OLD_KEY
        assert windows.none_came()
        bridge.restart()
        assert (_browse(bus), _wifi(bus)) == (OLD_KEY, "geheim")


@pytest.mark.parametrize("store", ["gnome-keyring", "file"])
def test_the_logins_key_is_no_question(
    bus: PrivateBus, windows: ScriptedDialogs, store: str
) -> None:
    """Who logs in with the wallet's password is asked for it nowhere."""
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows, store):
        helper = _log_in(bus, PASSWORD)  # later than the daemon, as with lingering
        assert _browse(bus) == OLD_KEY
        assert windows.none_came()
        assert helper.wait(30) == 0


def _count_pending(bus: PrivateBus) -> int:
    """Count the wallet files that are not known to be in the file's store."""
    words = ["migrate", "--list", "--json", "--to", f"file:{bus.data}/keyrings/own.keyring"]
    command = [sys.executable, "-m", "kwallet_bridge", *words]
    listed = bus.run(command, env={"PYTHONPATH": str(ROOT)}).stdout
    return sum(bool(json.loads(line)["pending"]) for line in listed.splitlines())


def _read(bus: PrivateBus, wallet: str, *place: str) -> object:
    client = bus.client()
    handle = client.open(wallet, appid="nm")
    return client.ask("readPassword", "isss", handle, *place, "nm").value


def test_a_typed_password_of_the_keyring_file_moves_into_it(
    bus: PrivateBus, windows: ScriptedDialogs
) -> None:
    """It opens a wallet file of the same password unasked; one of another costs one question."""
    place_wallet(bus.data, CONTENT)
    other = place_wallet(bus.data, {"Mail": {"account": "geheim"}}, name="other", password="else")
    with _serving_file(bus, windows) as bridge:
        _, asked = _open_typing(bus, windows, PASSWORD)
        assert [each["purpose"] for each in asked] == ["create"]
        assert (_browse(bus), _wifi(bus), _count_pending(bus)) == (OLD_KEY, "geheim", 1)
        _, asked = _open_typing(bus, windows, PASSWORD, "a slip", "later", wallet="other")
        assert [(each["purpose"], each["again"]) for each in asked] == [
            ("create", False),
            ("move", False),
            ("move", True),
        ]
        _open_typing(bus, windows, wallet="other")
        assert windows.none_came()
        assert _count_pending(bus) == 1
        bridge.restart()
        _, asked = _open_typing(bus, windows, PASSWORD, "else", wallet="other")
        assert [each["purpose"] for each in asked] == ["unlock", "move"]
        assert _count_pending(bus) == 0
        assert _read(bus, "other", "Mail", "account") == "geheim"
        assert windows.none_came()
        assert other.exists()
        assert _open_typing(bus, windows, PASSWORD)[1][0]["purpose"] == "unlock"
        assert (_browse(bus), _wifi(bus)) == (OLD_KEY, "geheim")


def test_a_wallet_with_a_no_is_not_tried(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """Whatever password a person types for the keyring file, what they said no to stays there."""
    place_wallet(bus.data, CONTENT)
    command = [sys.executable, "-m", "kwallet_bridge", "migrate", "--start-without", "kdewallet"]
    bus.run(command, env={"PYTHONPATH": str(ROOT)})
    with _serving_file(bus, windows):
        _, asked = _open_typing(bus, windows, PASSWORD)
        assert [each["purpose"] for each in asked] == ["create"]
        assert _browse(bus) == NEW_KEY
        assert windows.none_came()


def test_silent_tries_leave_a_person_three(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """Neither the login's key nor the keyring file's password counts as a slip."""
    place_wallet(bus.data, CONTENT)
    with _serving_file(bus, windows):
        helper = _log_in(bus, "another")
        _, asked = _open_typing(bus, windows, "the file's", "a slip", "a slip", PASSWORD)
        assert [each["again"] for each in asked] == [False, False, True, True]
        assert (_browse(bus), helper.wait(30)) == (OLD_KEY, 0)
        assert windows.none_came()


def test_another_login_password_costs_one_question(
    bus: PrivateBus, windows: ScriptedDialogs
) -> None:
    """The key fits nothing: one window, which all who open share, and which tells a slip."""
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows):
        helper = _log_in(bus, "another")
        first, second = bus.client(), bus.client()
        serials = [_begin_open(first), _begin_open(second)]
        second.flush()
        shown = windows.wait()
        assert (shown.question["purpose"], shown.question["again"]) == ("move", False)
        _type(shown, "a slip")
        shown = windows.wait()
        assert shown.question["again"] is True
        _type(shown, PASSWORD)
        handles = [first.wait_reply(serials[0]).value, second.wait_reply(serials[1]).value]
        assert handles[0] == handles[1] != -1
        assert (_browse(bus), _wifi(bus)) == (OLD_KEY, "geheim")
        assert windows.none_came()
        assert helper.wait(30) == 0


def test_later_is_asked_once_and_nobody_makes_a_new_key(
    bus: PrivateBus, windows: ScriptedDialogs
) -> None:
    """Put off, the wallet opens behind the name gate: the browser fails, others are served."""
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows) as bridge:
        client = bus.client()
        serial = _begin_open(client)
        windows.wait().answer("later")
        handle = client.wait_reply(serial).value
        assert isinstance(handle, int)
        assert handle > 0
        assert _browse(bus).startswith("failed: org.")
        written = client.ask("writePassword", "issss", handle, "Mail", "a", "b", APPID)
        assert written.value == 0
        assert windows.none_came()
        bridge.restart()
        serial = _begin_open(bus.client())
        shown = windows.wait()
        _type(shown, PASSWORD)
        assert _browse(bus) == OLD_KEY


def test_starting_without_it_is_decided_once(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """A person may let go of what the file holds; then a new key is right, and stays."""
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows) as bridge:
        client = bus.client()
        serial = _begin_open(client)
        windows.wait().answer("start-without")
        assert client.wait_reply(serial).value != -1
        assert _browse(bus) == NEW_KEY
        bridge.restart()
        assert _browse(bus) == NEW_KEY
        assert windows.none_came()


def test_who_leaves_takes_the_question_along(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """The window goes with the last program that waits; the next one is asked anew."""
    place_wallet(bus.data, CONTENT)
    with _serving(bus, windows):
        leaving = bus.client()
        _begin_open(leaving)
        shown = windows.wait()
        leaving.close()
        shown.wait_withdrawn()
        client = bus.client()
        serial = _begin_open(client)
        _type(windows.wait(), PASSWORD)
        assert client.wait_reply(serial).value != -1
        assert _browse(bus) == OLD_KEY


def test_what_another_value_stands_in_the_way_of_stays_on_both_sides(
    bus: PrivateBus, windows: ScriptedDialogs
) -> None:
    """Nothing is overwritten unasked, and the rest is moved."""
    with _serving(bus, windows) as bridge:
        client = bus.client()
        handle = client.open(appid=APPID)
        client.ask("createFolder", "iss", handle, FOLDER, APPID)
        assert client.ask("writePassword", "issss", handle, FOLDER, KEY, "newer", APPID).value == 0
        path = place_wallet(bus.data, CONTENT, password="")
        before = path.read_bytes()
        bridge.restart()
        assert (_browse(bus), _wifi(bus)) == ("newer", "geheim")
        assert path.read_bytes() == before


def test_a_wallet_that_gnupg_opens_is_never_opened_unasked(
    bus: PrivateBus, windows: ScriptedDialogs
) -> None:
    """Its table is hidden, so its wallet fails to open until somebody decides."""
    place_gpg_wallet(bus.data)
    with _serving(bus, windows):
        assert _browse(bus) == "failed: not opened"
        assert windows.none_came()


def test_one_notification_tells_what_was_moved(bus: PrivateBus, windows: ScriptedDialogs) -> None:
    """After a silent move a person is told the number, no name, and offered the way back."""
    place_wallet(bus.data, CONTENT, password="")
    with Notifications(bus.address) as desktop, _serving(bus, windows):
        assert _browse(bus) == OLD_KEY
        shown: list[Any] = desktop.wait()
        assert shown[4].startswith("2 entries are in your password store")
        assert KEY not in repr(shown)
        assert shown[5][:2] == ["undo", "Undo"]
        desktop.close_it()
