# SPDX-License-Identifier: GPL-3.0-or-later
"""One gnome-keyring, and KDE's kwalletd6 6.30, the bridge and QtKeychain's items in it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.exchange import NAMES, Side, expected
from support.peers import Bridge, GnomeKeyring, Ksecretd, TranslationLayer
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]
OURS = "org.kde.kwalletd5"
KDES_WALLET = "Login"


@pytest.fixture
def shared() -> Iterator[PrivateBus]:
    """A bus inside of the root that KWB_SID_ROOT names, with its gnome-keyring."""
    with private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus, GnomeKeyring(bus, inside_root=True):
        yield bus


@pytest.fixture
def both(shared: PrivateBus) -> Iterator[tuple[Side, Side]]:
    """The bridge under one name, and KDE's translation layer, which takes what is left."""
    with Bridge(shared, arguments=("--name", OURS)), TranslationLayer(shared):
        yield bridge_side(shared), kde_side(shared)


def bridge_side(bus: PrivateBus) -> Side:
    """Open the default wallet through the bridge."""
    return Side(bus.client(), "kdewallet")


def kde_side(bus: PrivateBus) -> Side:
    """Open the default wallet through KDE's kwalletd6."""
    client = bus.client()
    client.generation = "kwalletd6"
    return Side(client, KDES_WALLET)


def test_the_two_are_two(shared: PrivateBus, both: tuple[Side, Side]) -> None:
    """Each name is owned by the daemon it is thought to be."""
    assert shared.process_of(OURS) != shared.process_of("org.kde.kwalletd6")


def test_the_bridge_reads_what_kde_wrote(both: tuple[Side, Side]) -> None:
    """Every type, binary and Unicode, comes back as KDE's kwalletd6 was given it."""
    ours, kdes = both
    kdes.write("F", nulls=False)
    assert ours.read("F") == expected(nulls=False)
    assert ours.ask("folderList", "") == ["F", "Form Data", "Passwords"]


def test_kde_reads_what_the_bridge_wrote(both: tuple[Side, Side]) -> None:
    """Every type, binary, Unicode and maps with null, comes back as the bridge was given it."""
    ours, kdes = both
    ours.write("F", nulls=True)
    assert kdes.read("F") == seen_by_kde(expected(nulls=True))


def seen_by_kde(written: dict[str, tuple[object, object]]) -> dict[str, tuple[object, object]]:
    """Have what gnome-keyring's text format would lose be bytes: so the bridge keeps it there."""
    return {key: _seen(kind, value) for key, (kind, value) in written.items()}


def _seen(kind: object, value: object) -> tuple[object, object]:
    is_at_risk = kind == 1 and isinstance(value, str) and (value != value.strip() or "\n" in value)
    return (2, value.encode()) if is_at_risk and isinstance(value, str) else (kind, value)


def test_one_entry_stays_one(both: tuple[Side, Side]) -> None:
    """Writing by turns replaces: nobody reads an old value, and one removal removes."""
    ours, kdes = both
    for text in ("1", "2"):
        for writer, reader in (both, (kdes, ours)):
            value = f"{text} {writer.wallet}"
            assert writer.ask("writePassword", "sss", "F", "k", value) == 0
            assert reader.ask("readPassword", "ss", "F", "k") == value
            assert writer.ask("readPassword", "ss", "F", "k") == value
    assert ours.ask("removeEntry", "ss", "F", "k") == 0
    assert kdes.ask("hasEntry", "ss", "F", "k") is False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("plaintext", "Grüße 鍵", "Grüße 鍵"),
        ("base64", base64.b64encode(b"\0\xff").decode(), b"\0\xff"),
    ],
)
def test_qtkeychains_items_are_entries(
    shared: PrivateBus, both: tuple[Side, Side], kind: str, text: str, value: object
) -> None:
    """An item with QtKeychain's attributes is an entry, and ours are found by them."""
    ours, kdes = both
    attributes = ["xdg:schema", "org.qt.keychain", "server", "service", "user", "k", "type", kind]
    stored = ["secret-tool", "store", "--label=An application", *attributes]
    shared.run(stored, stdin=text, inside_root=True)
    member = "readPassword" if kind == "plaintext" else "readEntry"
    assert ours.ask(member, "ss", "service", "k") == value
    assert kdes.ask(member, "ss", "service", "k") == value
    if kind == "plaintext":
        assert ours.ask("writePassword", "sss", "service", "k", f"{text}!") == 0
        shown = shared.run(["secret-tool", "lookup", *attributes], inside_root=True).stdout
        assert shown == f"{text}!"
        found = shared.run(["secret-tool", "search", "--all", *attributes[2:6]], inside_root=True)
        assert found.stdout.count("secret = ") == 1


def test_the_bridge_tells_of_kdes_changes(both: tuple[Side, Side]) -> None:
    """A write and a removal through KDE's kwalletd6 are signals of the bridge."""
    ours, kdes = both
    assert kdes.ask("writePassword", "sss", "F", "k", "x") == 0
    assert ours.hear("folderListUpdated") == ("kdewallet",)
    assert ours.hear("folderUpdated") == ("kdewallet", "F")
    assert kdes.ask("writePassword", "sss", "F", "k", "y") == 0
    assert ours.hear("folderUpdated") == ("kdewallet", "F")
    assert ours.ask("readPassword", "ss", "F", "k") == "y"
    assert kdes.ask("removeEntry", "ss", "F", "k") == 0
    assert ours.hear("folderUpdated") == ("kdewallet", "F")
    assert ours.ask("hasEntry", "ss", "F", "k") is False


def test_kde_tells_of_the_bridges_changes(both: tuple[Side, Side]) -> None:
    """A write and a removal through the bridge are signals of KDE's kwalletd6."""
    ours, kdes = both
    assert ours.ask("writePassword", "sss", "F", "k", "x") == 0
    hear_folder(kdes, "F")
    assert kdes.ask("readPassword", "ss", "F", "k") == "x"
    assert ours.ask("removeEntry", "ss", "F", "k") == 0
    hear_folder(kdes, "F")
    assert kdes.ask("hasEntry", "ss", "F", "k") is False


def hear_folder(kdes: Side, folder: str) -> None:
    """Wait until KDE's kwalletd6 tells of a folder; it tells late, and of others besides."""
    # It swaps the two arguments of what others changed.
    while set(kdes.hear("folderUpdated")) != {folder, kdes.wallet}:
        pass


def test_who_leaves_finds_everything(shared: PrivateBus) -> None:
    """After the bridge has gone KDE's kwalletd6 has every folder, entry, type and value."""
    with Bridge(shared):
        folders = furnish(bridge_side(shared), nulls=True)
    with TranslationLayer(shared):
        find_everything(kde_side(shared), folders, nulls=True)


def test_who_leaves_finds_everything_in_ksecretd() -> None:
    """The same where KDE's own provider keeps the entries, as in a Plasma session of today."""
    with private_bus(Path(os.environ["KWB_SID_ROOT"])) as bus, Ksecretd(bus):
        with Bridge(bus):
            folders = furnish(bridge_side(bus), nulls=False)
        with TranslationLayer(bus):
            client = bus.client()
            client.generation = "kwalletd6"
            find_everything(Side(client, "kdewallet"), folders, nulls=False)


def furnish(ours: Side, *, nulls: bool) -> set[object]:
    """Write everything a wallet may hold; gives its folders."""
    ours.write("F", nulls=nulls)
    for name in NAMES:
        assert ours.ask("writePassword", "sss", name, name, name) == 0
        assert ours.ask("writePassword", "sss", "odd keys", name, name) == 0
    assert ours.ask("createFolder", "s", "empty") is True
    # The other types of a key that once held something else.
    assert ours.ask("writeMap", "ssay", "F", "password", b"\0\0\0\0") == 0
    assert ours.ask("writePassword", "sss", "F", "password", "secret") == 0
    assert ours.ask("renameEntry", "sss", "F", "bytes", "renamed") == 0
    assert ours.ask("renameEntry", "sss", "F", "renamed", "bytes") == 0
    folders = ours.ask("folderList", "")
    assert isinstance(folders, list)
    return set(folders)


def find_everything(kdes: Side, folders: set[object], *, nulls: bool) -> None:
    """Hold KDE's kwalletd6 to what was written."""
    listed = kdes.ask("folderList", "")
    assert isinstance(listed, list)
    assert set(listed) == folders
    wanted = expected(nulls=nulls)
    assert kdes.read("F") == (seen_by_kde(wanted) if nulls else wanted)  # nulls: gnome-keyring
    odd: dict[str, tuple[object, object]] = {name: (1, name) for name in NAMES}
    shown = seen_by_kde(odd) if nulls else odd
    assert kdes.read("odd keys") == shown
    assert {name: kdes.read(name) for name in NAMES} == {n: {n: shown[n]} for n in NAMES}
    assert kdes.read("empty") == {}
