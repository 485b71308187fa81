# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons a conversation can be played on, each started afresh."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from conformance.differences import DIFFERENCES, SHOWN_WHEN_LOCKED
from conformance.generator import Profile
from conformance.words import APPIDS, DENIED_APPID, DENIED_PATH, MISSING_WALLET, WALLETS
from support.client import KWalletClient
from support.fake_daemon import FakeDaemon
from support.keepassxc import KeePassXC
from support.keepassxc_dialogs import ALLOW, Agreeing, Dialogs
from support.keyring_admin import KeyringAdmin
from support.peers import (
    KWALLETRC,
    PASSWORD,
    Bridge,
    GnomeKeyring,
    Ksecretd,
    Kwalletd,
    Peer,
    TranslationLayer,
    Xvfb,
)
from support.private_bus import PrivateBus, private_bus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.conversation import Settings
    from conformance.differences import DeliberateDifference

SETUP = "setup"
NAMELESS_APPID = "KDE System"


class Subject(Protocol):
    """A running daemon whose wallets can be opened again without a person."""

    def client(self) -> KWalletClient:
        """Connect to its bus, speaking to its generation."""

    def reopen(self, wallet: str) -> str:
        """Make a closed wallet open, creating it when it is missing; gives the signal to await."""

    def restart(self) -> None:
        """Have what keeps the entries go away and come back; see the step Restart."""


def kwalletrc(settings: Settings) -> str:
    """Render the settings of a conversation."""
    places = (*WALLETS, MISSING_WALLET, DENIED_PATH)
    denied = "".join(f"{name}={DENIED_APPID}\n" for name in places)
    names = ",".join(appid or NAMELESS_APPID for appid in (*APPIDS, SETUP))
    allowed = "".join(f"{name}={names}\n" for name in WALLETS)
    values = {"Leave Open": settings.leave_open, "Prompt on Open": settings.prompt}
    text = KWALLETRC
    for key, value in values.items():
        text = re.sub(f"^{key}=.*$", f"{key}={str(value).lower()}", text, flags=re.MULTILINE)
    return text + f"[Auto Deny]\n{denied}" + (f"[Auto Allow]\n{allowed}" * settings.prompt)


@dataclass
class Monolith:
    """KDE's own daemon, 5.x or up to 6.13."""

    bus: PrivateBus
    daemon: Kwalletd

    def client(self) -> KWalletClient:
        """Connect to its bus."""
        client = self.bus.client()
        client.generation = self.daemon.generation
        return client

    def reopen(self, wallet: str) -> str:
        """Open as PAM does."""
        self.daemon.pam_open(wallet)
        return "walletOpened"

    def restart(self) -> None:
        """Close everything, which saves it, and open the first wallet as PAM does at a login."""
        self.client().ask("closeAllWallets")
        self.daemon.pam_open(WALLETS[0])


@dataclass
class OverKeyring:
    """A daemon whose wallets are collections of gnome-keyring."""

    bus: PrivateBus
    provider: GnomeKeyring
    generation: str
    default_wallet: str = WALLETS[0]

    def __post_init__(self) -> None:
        """Talk to the keyring beside the daemon."""
        self.admin = KeyringAdmin(self.bus.client())

    def client(self) -> KWalletClient:
        """Connect to its bus."""
        client = self.bus.client()
        client.generation = self.generation
        return client

    def reopen(self, wallet: str) -> str:
        """Unlock the collection, or make it."""
        default = wallet == self.default_wallet
        path = self.admin.default() if default else self.admin.collection(wallet)
        if not path:
            self.admin.create(wallet)
            return "walletListDirty"
        self.admin.unlock(path)
        return "walletOpened"

    def restart(self) -> None:
        """End gnome-keyring and start it again, its first collection unlocked."""
        self.provider.restart()
        self.admin = KeyringAdmin(self.bus.client())


@dataclass
class Unattended:
    """Our daemon over a store that opens without a person whenever it is asked to."""

    bus: PrivateBus
    provider: Peer

    def client(self) -> KWalletClient:
        """Connect to its bus."""
        return self.bus.client()

    def reopen(self, wallet: str) -> str:
        """Open it as one more application, and leave it open."""
        with KWalletClient.connect(self.bus.address) as client:
            handle = client.open(wallet, SETUP)
            client.ask("close", "ibs", handle, False, SETUP)
        return "walletOpened"

    def restart(self) -> None:
        """End the provider and start it again; the daemon itself where it has none."""
        self.provider.restart()


class OverKsecretd(Unattended):
    """Our daemon over KDE's own provider."""

    def restart(self) -> None:
        """Have it save, which locking does, before it goes: it would lose the last seconds."""
        admin = KeyringAdmin(self.bus.client())
        admin.lock(admin.collection(WALLETS[0]))
        super().restart()


@contextlib.contextmanager
def kwalletd5(settings: Settings) -> Iterator[Subject]:
    """Debian's kwalletd5: the oracle."""
    with private_bus() as bus, Kwalletd(bus, config=kwalletrc(settings)) as daemon:
        yield Monolith(bus, daemon)


@contextlib.contextmanager
def kwalletd6(settings: Settings) -> Iterator[Subject]:
    """The last monolith, kwalletd6 6.13, in the root that KWB_TRIXIE_ROOT names."""
    root = Path(os.environ["KWB_TRIXIE_ROOT"])
    generation = {"generation": "kwalletd6", "config": kwalletrc(settings)}
    with private_bus(root) as bus, Kwalletd(bus, inside_root=True, **generation) as daemon:
        yield Monolith(bus, daemon)


@contextlib.contextmanager
def bridge(settings: Settings) -> Iterator[Subject]:
    """Our daemon over gnome-keyring."""
    with (
        private_bus() as bus,
        GnomeKeyring(bus) as keyring,
        Bridge(bus, config=kwalletrc(settings)),
    ):
        yield OverKeyring(bus, keyring, "kwalletd5")


@contextlib.contextmanager
def bridge_file(settings: Settings) -> Iterator[Subject]:
    """Our daemon over a keyring file of its own."""
    with private_bus() as bus:
        password = bus.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o600)
        arguments = ("--store-password-file", str(password))
        store = f"file:{bus.data / 'wallets' / 'default.keyring'}"
        config = kwalletrc(settings)
        with Bridge(bus, store=store, arguments=arguments, config=config) as daemon:
            yield Unattended(bus, daemon)


@contextlib.contextmanager
def bridge_keepassxc(settings: Settings) -> Iterator[Subject]:
    """Our daemon over a database that KeePassXC has open."""
    with (
        private_bus() as bus,
        Xvfb(bus) as display,
        # 2.7.4 breaks when it is written to while it saves.
        KeePassXC(bus, display, autosave=False) as keepassxc,
        # Of what was there before a restart it asks all the same.
        Agreeing(Dialogs(bus, display), allow=ALLOW),
        Bridge(bus, config=kwalletrc(settings)),
    ):
        yield Unattended(bus, keepassxc)


@contextlib.contextmanager
def bridge_keepassxc_asking(settings: Settings) -> Iterator[Subject]:
    """The same where KeePassXC asks before everything, and somebody says yes each time."""
    with (
        private_bus() as bus,
        Xvfb(bus) as display,
        # Into the recycle bin unasked, its preset: folders of many would take too long to agree to.
        KeePassXC(bus, display, autosave=False, confirmations=True, deletions=False) as keepassxc,
        Agreeing(Dialogs(bus, display), allow=ALLOW),
        Bridge(bus, config=kwalletrc(settings)),
    ):
        yield Unattended(bus, keepassxc)


@contextlib.contextmanager
def bridge_ksecretd(settings: Settings) -> Iterator[Subject]:
    """Our daemon over KDE's own provider, in the root that KWB_SID_ROOT names."""
    root = Path(os.environ["KWB_SID_ROOT"])
    config = kwalletrc(settings)
    with (
        private_bus(root) as bus,
        Ksecretd(bus, config=config) as ksecretd,
        Bridge(bus, config=config),
    ):
        yield OverKsecretd(bus, ksecretd)


@contextlib.contextmanager
def bridge_oo7_like(settings: Settings) -> Iterator[Subject]:
    """Our daemon over the stand-in with oo7's quirks."""
    with (
        private_bus() as bus,
        FakeDaemon(bus, "oo7") as stand_in,
        Bridge(bus, config=kwalletrc(settings)),
    ):
        yield Unattended(bus, stand_in)


@contextlib.contextmanager
def translation(_: Settings) -> Iterator[Subject]:
    """KDE's translation layer over gnome-keyring, in the root that KWB_SID_ROOT names."""
    root = Path(os.environ["KWB_SID_ROOT"])
    with (
        private_bus(root) as bus,
        GnomeKeyring(bus, inside_root=True) as keyring,
        TranslationLayer(bus),
    ):
        subject = OverKeyring(bus, keyring, "kwalletd6", "Login")
        subject.admin.create(WALLETS[0])
        yield subject


@dataclass(frozen=True, slots=True)
class Candidate:
    """A daemon by name, and what may be asked of its provider."""

    start: Callable[[Settings], contextlib.AbstractContextManager[Subject]]
    profile: Profile
    differences: Sequence[DeliberateDifference] = ()  # what may differ from kwalletd5


# Locked, it asks for the database's password; a new collection is a new database.
KEEPASSXC = Profile(closing=False, deleting=False, control_characters=False, references=False)
SUBJECTS = {
    "kwalletd5": Candidate(kwalletd5, Profile()),
    "kwalletd6": Candidate(kwalletd6, Profile(qt5=False)),
    "bridge": Candidate(bridge, Profile(), SHOWN_WHEN_LOCKED),
    "bridge-file": Candidate(
        bridge_file, Profile(leaving=False, told=False, unlocking=True), DIFFERENCES
    ),
    "bridge-keepassxc": Candidate(bridge_keepassxc, KEEPASSXC, DIFFERENCES),
    "bridge-keepassxc-asking": Candidate(bridge_keepassxc_asking, KEEPASSXC, DIFFERENCES),
    "bridge-ksecretd": Candidate(
        bridge_ksecretd,
        Profile(closing=False, deleting=False, odd_maps=False),
        SHOWN_WHEN_LOCKED,
    ),
    # It forgets the case of a collection's label, so that no name differs from another by that.
    "bridge-oo7-like": Candidate(
        bridge_oo7_like, Profile(leaving=False, case=False, unlocking=True), DIFFERENCES
    ),
    "translation": Candidate(translation, Profile()),
}
