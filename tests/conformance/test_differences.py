# SPDX-License-Identifier: GPL-3.0-or-later
"""Each deliberate difference that no conversation can hold, asked of both daemons.

A test is named as its row in ``differences.py``; the others are met in ``meetings.py``.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conformance.asked import Told, ask, hear, told_by
from conformance.conversation import Settings
from conformance.subjects import SUBJECTS
from conformance.words import PAM_KEY
from support.hosted import HostedFake
from support.keyring_admin import KeyringAdmin
from support.kwalletd_dialogs import KwalletdDialogs
from support.peers import KWALLETRC, Bridge, GnomeKeyring, Kwalletd, Xvfb
from support.private_bus import private_bus
from support.scripted_dialog import ScriptedDialogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.client import KWalletClient, Reply
    from support.private_bus import PrivateBus

WALLET = "kdewallet"
APP = "app"
PRESET = ["Form Data", "Passwords"]
FIRST_USE = KWALLETRC.replace("First Use=false", "First Use=true")
IDLE = KWALLETRC + "Close When Idle=true\nIdle Timeout=1\n"
IDLE_SECONDS = 60.0
IDLE_EARLY = 8.0  # well over a twentieth of it, by which kwalletd5's timers may be late
DISABLED = KWALLETRC.replace("Enabled=true", "Enabled=false")
ASKING = KWALLETRC.replace("Prompt on Open=false", "Prompt on Open=true")
FIXED_LIST = f"{ASKING}[Auto Allow][$i]\n{WALLET}=friend\n"


@pytest.fixture
def old() -> Iterator[PrivateBus]:
    """A bus for kwalletd5, beside the bridge's."""
    with private_bus() as running:
        yield running


def listening(bus: PrivateBus) -> KWalletClient:
    """Give a connection that hears the daemon's signals."""
    client = bus.client()
    client.listen()
    return client


def folders(client: KWalletClient, wallet: str = WALLET) -> object:
    """List a wallet's folders."""
    return client.ask("folderList", "is", client.open(wallet, APP), APP).value


def made(wallet: str) -> list[Told]:
    """Tell what is heard when an open makes a wallet."""
    return [
        ("folderListUpdated", (wallet,)),
        ("folderListUpdated", (wallet,)),
        ("walletCreated", (wallet,)),
        ("walletOpened", (wallet,)),
        ("walletAsyncOpened", (0, "handle")),
    ]


def test_empty_wallets_are_furnished(old: PrivateBus, bus: PrivateBus) -> None:
    """A wallet PAM made has no folder at kwalletd5, a person's has two; ours have two always."""
    with Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old):
            client = listening(old)
            opening = ("open", "sxs", "new", 0, APP)
            _, told = ask(client, *opening, meanwhile=lambda: dialogs.create("secret"))
            assert told == made("new")
            assert folders(client, "new") == PRESET
            assert folders(client) == []
    with SUBJECTS["bridge-file"].start(Settings()) as subject:
        client = subject.client()
        client.listen()
        _, told = ask(client, *opening)
        assert told == made("new")
        assert folders(client, "new") == PRESET
    with GnomeKeyring(bus), Bridge(bus):
        assert folders(bus.client()) == PRESET


def test_nameless_wallets(old: PrivateBus, bus: PrivateBus) -> None:
    """A wallet without a name is a file without a name at kwalletd5, and nothing here."""
    with Kwalletd(old) as peer:
        peer.pam_open("")
        assert old.client().open("", APP) > 0
        assert (old.data / "kwalletd/.kwl").exists()
    with GnomeKeyring(bus), Bridge(bus):
        reply, told = ask(listening(bus), "open", "sxs", "", 0, APP)
        assert (reply.value, told) == (-1, [("walletAsyncOpened", (0, -1))])


def test_lost_handles_are_errors(old: PrivateBus, bus: PrivateBus) -> None:
    """A handle of the daemon's earlier life is "no" at kwalletd5 and an error here."""
    with Kwalletd(old) as peer:
        handle = old.client().open(WALLET, APP)
        peer.restart()
        asking = ("hasFolder", "iss", handle, PRESET[0], APP)
        assert old.client().ask(*asking).value is False
    with GnomeKeyring(bus), Bridge(bus) as bridge:
        handle = bus.client().open(WALLET, APP)
        bridge.restart()
        reply = bus.client().ask("hasFolder", "iss", handle, PRESET[0], APP)
        assert reply.error == "org.freedesktop.DBus.Error.Failed"


def test_passwords_are_the_providers(old: PrivateBus, bus: PrivateBus) -> None:
    """At kwalletd5 changePassword asks and answers a number nobody declared; here it is silent."""
    changing = ("changePassword", "sxs", WALLET, 0, APP)
    with Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old):
            client = listening(old)
            client.open(WALLET, APP)
            reply, told = ask(client, *changing, meanwhile=lambda: dialogs.answer("Escape"))
            assert (reply.error, reply.signature, told) == ("", "i", [])
            _, after = ask(client, "open", "sxs", WALLET, 0, APP)
    with GnomeKeyring(bus), Bridge(bus):
        client = listening(bus)
        client.open(WALLET, APP)
        reply, told = ask(client, *changing)
        assert (reply.error, reply.body, told) == ("", (), [])
        # The number of a transaction is used up by both.
        assert ask(client, "open", "sxs", WALLET, 0, APP)[1] == after


@pytest.mark.parametrize("wallet", [WALLET, "missing"])
def test_a_password_is_not_changed_without_opening(
    old: PrivateBus, bus: PrivateBus, wallet: str
) -> None:
    """A closed or missing wallet, not opened when kwalletd5 asks, is told by nobody of anything."""
    changing = ("changePassword", "sxs", wallet, 0, APP)
    with Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old):
            client = listening(old)
            client.ask("close", "sb", WALLET, True)

            def dismiss() -> None:
                dialogs.answer("Escape")
                dialogs.answer("Return")  # the message that it could not be opened

            reply, told = ask(client, *changing, meanwhile=dismiss)
            assert (reply.error, reply.signature, told) == ("", "i", [])
            wallets = client.ask("wallets")
    with GnomeKeyring(bus), Bridge(bus):
        client = listening(bus)
        client.ask("close", "sb", WALLET, True)
        reply, told = ask(client, *changing)
        assert (reply.error, reply.body, told) == ("", (), [])
        assert client.ask("wallets") == wallets
        assert client.ask("isOpen", "s", WALLET).value is False


def test_list_changes_are_told_once(old: PrivateBus, bus: PrivateBus) -> None:
    """A save is told as a change of the list at kwalletd5; here a new wallet is, and once."""
    with Kwalletd(old):
        client = listening(old)
        handle = client.open(WALLET, APP)
        client.wait_signal("walletListDirty")  # the file that PAM's open made
        client.ask("writePassword", "issss", handle, "Passwords", "k", "v", APP)
        client.flush()
        client.arrivals.clear()
        client.ask("sync", "is", handle, APP)
        client.wait_signal("walletListDirty")
    with GnomeKeyring(bus), Bridge(bus):
        client = listening(bus)
        handle = client.open(WALLET, APP)
        client.ask("writePassword", "issss", handle, "Passwords", "k", "v", APP)
        client.ask("sync", "is", handle, APP)
        KeyringAdmin(bus.client()).create("new")
        client.wait_signal("walletListDirty")
        assert client.ask("wallets").value == [WALLET, "new"]
        client.flush()
        assert [each.member for each in client.take_signals()].count("walletListDirty") == 0


def test_other_programs_items_survive(old: PrivateBus, bus: PrivateBus) -> None:
    """Deleting takes kwalletd5's file, and of a collection only what belongs to the wallet."""
    with Kwalletd(old):
        assert old.client().ask("deleteWallet", "s", WALLET).value == 0
        assert not (old.data / "kwalletd" / f"{WALLET}.kwl").exists()
    with GnomeKeyring(bus), Bridge(bus):
        foreign = ["secret-tool", "store", "--label=foreign", "kind", "foreign"]
        bus.run(foreign, stdin="theirs")
        client = bus.client()
        handle = client.open(WALLET, APP)
        client.ask("writePassword", "issss", handle, "Passwords", "k", "v", APP)
        assert client.ask("deleteWallet", "s", WALLET).value == 0
        assert bus.run(["secret-tool", "lookup", "kind", "foreign"]).stdout == "theirs"
        assert folders(client) == PRESET
        handle = client.open(WALLET, APP)
        assert client.ask("entryList", "iss", handle, "Passwords", APP).value == []


def test_locked_wallets_are_unlocked_first(old: PrivateBus, bus: PrivateBus) -> None:
    """kwalletd5 deletes a closed wallet unasked; here a person who says no keeps it."""
    with Kwalletd(old):
        client = old.client()
        assert client.ask("close", "sb", WALLET, True).value == 0
        assert client.ask("deleteWallet", "s", WALLET).value == 0
    with HostedFake(bus.address) as fake, Bridge(bus):
        client = bus.client()
        client.open("doomed", APP)
        assert client.ask("close", "sb", "doomed", True).value == 0
        fake.provider.prompts.style = "dismiss"
        assert client.ask("deleteWallet", "s", "doomed").value == -1
        assert "doomed" in client.ask("wallets").value  # type: ignore[operator]
        fake.provider.prompts.style = "accept"
        fake.provider.prompts_for.add("Delete")
        assert client.ask("deleteWallet", "s", "doomed").value == 0
        assert "doomed" not in client.ask("wallets").value  # type: ignore[operator]


def test_disabled_stays_on_the_bus(old: PrivateBus, bus: PrivateBus) -> None:
    """Switched off, kwalletd5 ends by itself; the bridge answers that it is switched off."""
    assert Kwalletd(old, config=DISABLED).launch().wait(15) == 0
    with GnomeKeyring(bus), Bridge(bus, config=DISABLED):
        client = listening(bus)
        assert client.ask("isEnabled").value is False
        assert [ask(client, "open", "sxs", WALLET, 0, APP)[0].value, hear(client)] == [-1, []]


def test_failures_are_errors(old: PrivateBus, bus: PrivateBus) -> None:
    """What is not there reads as nothing at both; what cannot be asked for is an error here."""
    with Kwalletd(old):
        client = old.client()
        handle = client.open(WALLET, APP)
        absent = client.ask("readPassword", "isss", handle, "Passwords", "k", APP)
        assert absent.value == ""
    with HostedFake(bus.address) as fake, Bridge(bus):
        client = bus.client()
        handle = client.open(WALLET, APP)
        client.ask("writePassword", "issss", handle, "Passwords", "k", "v", APP)
        assert client.ask("readPassword", "isss", handle, "Passwords", "none", APP) == absent
        collection = next(iter(fake.provider.vault.collections.values()))
        fake.do(lambda provider: setattr(provider.vault, "collections", {}))
        assert client.ask("readPassword", "isss", handle, "Passwords", "k", APP).error
        assert client.ask("writePassword", "issss", handle, "F", "k", "v", APP).value == -1
        fake.do(lambda provider: provider.vault.collections.update({collection.path: collection}))


def test_settings_are_never_written(old: PrivateBus, bus: PrivateBus) -> None:
    """At the first use kwalletd5 makes the wallet it opens the default one; the bridge does not."""
    with Kwalletd(old, config=FIRST_USE) as peer:
        peer.pam_open("mine")
        assert old.client().open("mine", APP) > 0
    assert "Default Wallet=mine" in (old.config / "kwalletrc").read_text(encoding="utf-8")
    with GnomeKeyring(bus), Bridge(bus, config=FIRST_USE):
        KeyringAdmin(bus.client()).create("mine")
        assert bus.client().open("mine", APP) > 0
    assert (bus.config / "kwalletrc").read_text(encoding="utf-8") == FIRST_USE


def test_a_password_is_no_leave(old: PrivateBus, bus: PrivateBus) -> None:
    """Who made kwalletd5 ask for a password is let in by it; here who unlocked is asked about."""
    with Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old, config=ASKING):
            opening = ("open", "sxs", "new", 0, "stranger")
            reply, _ = ask(listening(old), *opening, meanwhile=lambda: dialogs.create("secret"))
            assert isinstance(reply.value, int)
            assert reply.value > 0
    with ScriptedDialogs(bus.folder) as scripted, GnomeKeyring(bus):
        arguments = ("--access-dialog", str(scripted.program))
        with Bridge(bus, config=ASKING, arguments=arguments):
            client = listening(bus)
            admin = KeyringAdmin(client)
            collection = admin.create("new", password="")
            # What any program can do, and what gnome-keyring undoes without a person where the
            # password is empty.
            client.ask("close", "sb", "new", True)
            assert admin.is_locked(collection)

            def refuse() -> None:
                shown = scripted.wait()
                assert not admin.is_locked(collection)
                shown.answer("deny")

            reply, _ = ask(client, *opening, meanwhile=refuse)
            assert reply.value == -1


def test_fixed_lists_still_ask(old: PrivateBus, bus: PrivateBus) -> None:
    """Where nobody may add to Auto Allow kwalletd5 lets everybody in; the bridge asks."""
    with Kwalletd(old, config=FIXED_LIST):
        assert old.client().open(WALLET, "stranger") > 0
    with ScriptedDialogs(bus.folder) as dialogs, GnomeKeyring(bus):
        arguments = ("--access-dialog", str(dialogs.program))
        with Bridge(bus, config=FIXED_LIST, arguments=arguments):
            client = listening(bus)
            assert client.open(WALLET, "friend") > 0

            def refuse() -> None:
                shown = dialogs.wait()
                assert shown.question["may_allow_always"] is False
                shown.answer("deny")

            reply, _ = ask(client, "open", "sxs", WALLET, 0, "stranger", meanwhile=refuse)
            assert reply.value == -1


def fall_idle(client: KWalletClient) -> float:
    """Open once more; give the seconds until the wallet is closed, its signals left in place."""
    started = time.monotonic()
    client.open(WALLET, APP)
    while not any(told_by(seen) == ("allWalletsClosed", ()) for seen in client.arrivals):
        assert client.pump(IDLE_SECONDS * 1.5), "it never falls idle"
    return time.monotonic() - started


def after_idling(client: KWalletClient, handle: int) -> list[Reply]:
    """Give what the user of a wallet that closed meets."""
    return [
        client.ask("readPassword", "isss", handle, "Passwords", "k", APP),
        client.ask("close", "ibs", handle, False, APP),
        client.ask("isOpen", "i", handle),
        client.ask("users", "s", WALLET),
    ]


@pytest.mark.timeout(180)
def test_opening_counts_as_use(old: PrivateBus, bus: PrivateBus) -> None:
    """An open puts the idle close off here; all that is told and met of the close is the same."""
    with (
        Kwalletd(old, config=IDLE),
        GnomeKeyring(bus),
        Bridge(bus, config=IDLE),
        ThreadPoolExecutor(2) as both,
    ):
        clients = [listening(old), listening(bus)]
        handles = [client.open(WALLET, APP) for client in clients]
        assert hear(clients[0]) == hear(clients[1])[len(PRESET) :]
        ending = time.monotonic() + IDLE_EARLY
        while clients[0].pump(ending - time.monotonic()):
            pass
        assert hear(clients[0]) == hear(clients[1]) == []
        before, now = both.map(fall_idle, clients)
        assert before < IDLE_SECONDS <= now
        told = [hear(client) for client in clients]
        assert told[0] == told[1]
        assert told[0][1:] == [
            ("walletClosed", ("handle",)),
            ("walletClosedId", ("handle",)),
            ("walletClosed", (WALLET,)),
            ("allWalletsClosed", ()),
        ]
        met = [after_idling(*pair) for pair in zip(clients, handles, strict=True)]
        assert met[0][0].value == ""
        assert met[1][0].error == "org.freedesktop.DBus.Error.Failed"  # lost-handles-are-errors
        assert met[0][1:] == met[1][1:]


def test_a_path_is_asked_for_by_kwalletd5_alone(old: PrivateBus, bus: PrivateBus) -> None:
    """Dismissed, kwalletd5's dialog for a path ends as the row says of a denied one."""
    opening = ("openPath", "sxs", "/no/such/wallet.kwl", 0, APP)
    with Xvfb(old) as display:
        dialogs = KwalletdDialogs(old, display)
        with Kwalletd(old):
            client = listening(old)
            assert ask(client, *opening)[0].value == 0
            dialogs.answer("Escape")
            assert client.wait_signal("walletAsyncOpened").body == (0, -1)
    with GnomeKeyring(bus), Bridge(bus):
        reply, told = ask(listening(bus), *opening)
        assert (reply.value, told) == (-1, [])


def test_the_right_key_makes_a_wallet_at_kwalletd5_alone(old: PrivateBus, bus: PrivateBus) -> None:
    """Given a missing wallet's name pamOpen makes it at kwalletd5, and makes nothing here."""
    with Kwalletd(old):
        reply, told = ask(listening(old), "pamOpen", "sayi", "new", PAM_KEY, 0)
        assert (reply.body, told) == ((), [("walletOpened", ("new",))])
        assert old.client().ask("isOpen", "s", "new").value is True
    with GnomeKeyring(bus), Bridge(bus):
        assert ask(listening(bus), "pamOpen", "sayi", "new", PAM_KEY, 0) == (reply, [])
        assert bus.client().ask("wallets").value == [WALLET]
