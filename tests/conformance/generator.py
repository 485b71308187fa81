# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw conversations from a seed: the same seed always says the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from conformance import words
from conformance.conversation import (
    Burst,
    Call,
    Conversation,
    OpenHandle,
    Restart,
    SeenHandle,
    Settings,
    Step,
    Vanish,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = 4
RESTART_EVERY = 250  # calls
Maker = Callable[["Speaker"], Call]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a provider lets a conversation do."""

    closing: bool = True  # it can be unlocked again without a person
    leaving: bool = True  # the same, where the last application's leaving closes
    deleting: bool = True  # it makes and deletes collections without a person
    control_characters: bool = True  # names keep them
    case: bool = True  # it tells names of wallets apart that differ in case only
    references: bool = True  # it keeps text that holds "{REF:"
    odd_maps: bool = True  # maps come back as given, null values and damaged ones too
    told: bool = True  # its restart is not the daemon's own
    unlocking: bool = False  # it needs nobody to unlock what is to be deleted
    qt5: bool = True  # the daemon reads lengths as Qt 5 does


@dataclass
class Speaker:
    """The state of drawing one conversation."""

    random: Random
    profile: Profile
    prompt: bool = False  # then deleting a wallet would take its leave along
    single: bool = False  # only the first wallet is opened
    folders: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        odd = [name for name in words.ODD_NAMES if self._allowed(name)]
        self.folders = [*self.random.sample(words.PLAIN_NAMES, 1), *self.random.sample(odd, 2)]
        self.keys = [*self.random.sample(words.PLAIN_NAMES, 2), *self.random.sample(odd, 3)]

    def _allowed(self, name: str) -> bool:
        kept = self.profile.control_characters or name.isprintable()
        return kept and (self.profile.references or words.REFERENCE not in name)

    def peer(self) -> int:
        """Draw a connection."""
        return self.random.randrange(PEERS)

    def appid(self) -> str:
        """Draw an application's name; most of them have opened something."""
        if self.random.random() < 0.01:
            return words.BYTE_ORDER_MARK + words.APPIDS[0]
        return words.APPIDS[0] if self.random.random() < 0.65 else self.random.choice(words.APPIDS)

    def wallet(self) -> str:
        """Draw a wallet that exists, or existed."""
        return words.WALLETS[self.random.random() < 0.15 and not self.single]

    def openable(self) -> str:
        """Draw a wallet that opens without a person."""
        return self.wallet() if self.profile.deleting else words.WALLETS[0]

    def any_wallet(self) -> str:
        """Draw a wallet's name, existing or not."""
        other_case = words.WALLETS[0].upper() if self.profile.case else ""
        odd = (words.MISSING_WALLET, "", other_case, "kdewallet/", "*")
        return self.random.choice(odd) if self.random.random() < 0.25 else self.wallet()

    def handle(self) -> object:
        """Draw a handle: mostly valid, sometimes stale, zero, negative or invented."""
        draw = self.random.random()
        if draw < 0.88:
            return OpenHandle(self.wallet())
        if draw < 0.94:
            return SeenHandle(self.random.randrange(6))
        return self.random.choice((0, -1, 1, 2**31 - 1, -(2**31), 12345678))

    def folder(self) -> str:
        """Draw a folder's name."""
        return self.random.choice(self.folders)

    def key(self) -> str:
        """Draw an entry's name."""
        return self.random.choice(self.keys)

    def octets(self) -> bytes:
        """Draw bytes for an entry of any type."""
        drawn = words.any_bytes(self.random)
        return drawn if self.profile.qt5 or drawn != words.LONG_LENGTH else b""

    def pattern(self) -> str:
        """Draw a wildcard pattern, or an entry's name as one."""
        return self.random.choice(words.PATTERNS) if self.random.random() < 0.7 else self.key()

    def text(self) -> str:
        """Draw a password."""
        while True:
            text = self.random.choice(words.TEXTS)
            if self.profile.references or words.REFERENCE not in text:
                return text

    def map(self) -> bytes:
        """Draw the bytes of a map."""
        if self.profile.odd_maps:
            return words.any_map(self.random)
        return self.random.choice(words.SIMPLE_MAPS)

    def call(self, member: str, signature: str, *args: object) -> Call:
        """Build a call from a drawn connection."""
        return Call(self.peer(), member, signature, args)


def _open(s: Speaker) -> Call:
    wallet, appid = s.openable(), s.appid()
    if s.random.random() < 0.08:
        appid = words.DENIED_APPID
        wallet = s.random.choice((s.openable(), words.WALLETS[0], words.MISSING_WALLET))
    window = s.random.choice((0, 1, -1, 2**40))
    if s.random.random() < 0.5:
        return s.call("open", "sxs", wallet, window, appid)
    return s.call("openAsync", "sxsb", wallet, window, appid, s.random.random() < 0.6)


def _open_path(s: Speaker) -> Call:
    return s.call("openPath", "sxs", words.DENIED_PATH, 0, words.DENIED_APPID)


def _open_path_async(s: Speaker) -> Call:
    watched = s.random.random() < 0.5
    return s.call("openPathAsync", "sxsb", words.DENIED_PATH, 0, words.DENIED_APPID, watched)


def _pam_open(s: Speaker) -> Call:
    # With a wrong key a missing wallet is made, that no other key opens.
    if s.random.random() < 0.4:
        key = s.random.choice(words.WRONG_KEYS)
        return s.call("pamOpen", "sayi", words.WALLETS[0], key, s.random.choice((0, -1)))
    return s.call("pamOpen", "sayi", s.openable(), words.PAM_KEY, 0)


def _close_handle(s: Speaker) -> Call:
    force = s.profile.closing and s.random.random() < 0.08
    return s.call("close", "ibs", s.handle(), force, s.appid())


def _close_wallet(s: Speaker) -> Call:
    force = s.profile.closing and s.random.random() < 0.2
    return s.call("close", "sb", s.any_wallet(), force)


def _delete(s: Speaker) -> Call:
    if s.prompt or s.single or not s.profile.deleting or s.random.random() < 0.6:
        return s.call("deleteWallet", "s", s.random.choice((words.MISSING_WALLET, "*")))
    return s.call("deleteWallet", "s", words.WALLETS[1])


def _close_all(s: Speaker) -> Call:
    return s.call("closeAllWallets", "") if s.profile.closing else s.call("wallets", "")


def _folder_method(member: str) -> Maker:
    return lambda s: s.call(member, "iss", s.handle(), s.folder(), s.appid())


def _entry_method(member: str) -> Maker:
    return lambda s: s.call(member, "isss", s.handle(), s.folder(), s.key(), s.appid())


def _list_method(member: str) -> Maker:
    return lambda s: s.call(member, "isss", s.handle(), s.folder(), s.pattern(), s.appid())


def _write_password(s: Speaker) -> Call:
    text = s.text()
    return s.call("writePassword", "issss", s.handle(), s.folder(), s.key(), text, s.appid())


def _write_map(s: Speaker) -> Call:
    value = s.map()
    return s.call("writeMap", "issays", s.handle(), s.folder(), s.key(), value, s.appid())


def _write_bytes(s: Speaker) -> Call:
    value = s.octets()
    return s.call("writeEntry", "issays", s.handle(), s.folder(), s.key(), value, s.appid())


def _write_typed(s: Speaker) -> Call:
    value, kind = s.octets(), s.random.choice((1, 1, 2, 3))
    if kind == 3 and not s.profile.odd_maps:
        value = s.map()
    place = (s.handle(), s.folder(), s.key())
    return s.call("writeEntry", "issayis", *place, value, kind, s.appid())


def _write_odd_type(s: Speaker) -> Call:
    value, kind = s.octets(), s.random.choice(words.ODD_TYPES)
    place = (s.handle(), s.folder(), s.key())
    return s.call("writeEntry", "issayis", *place, value, kind, s.appid())


def _rename(s: Speaker) -> Call:
    return s.call("renameEntry", "issss", s.handle(), s.folder(), s.key(), s.key(), s.appid())


def _key_absent(s: Speaker) -> Call:
    return s.call("keyDoesNotExist", "sss", s.any_wallet(), s.folder(), s.key())


def _refused(s: Speaker) -> Call:
    """Say what no daemon understands."""
    wrong: tuple[tuple[str, str, tuple[object, ...], dict[str, str]], ...] = (
        ("open", "sis", ("kdewallet", 0, "app"), {}),
        ("close", "is", (1, "app"), {}),
        ("isOpen", "b", (True,), {}),
        ("writeEntry", "isss", (1, "a", "b", "c"), {}),
        ("renameWallet", "ss", ("kdewallet", "x"), {}),
        ("wallets", "s", ("x",), {}),
        ("noSuchMethod", "", (), {}),
        ("openPath", "ss", ("/no/such", "app"), {}),
        ("openPathAsync", "sxs", ("/no/such", 0, "app"), {}),
        ("changePassword", "ss", ("kdewallet", "app"), {}),
        ("pamOpen", "say", ("kdewallet", b""), {}),
        ("readPassword", "issss", (1, "a", "b", "c", "d"), {}),
        ("isEnabled", "", (), {"path": "/modules/nothing"}),
        ("isEnabled", "", (), {"interface": "org.kde.Nothing"}),
        ("isEnabled", "", (), {"interface": ""}),
        ("wallets", "", (), {"interface": ""}),
    )
    member, signature, args, extra = s.random.choice(wrong)
    interface = extra.get("interface")
    return Call(s.peer(), member, signature, args, extra.get("path", ""), interface)


# How often each method is drawn. Writes lead, so that there is something to read.
METHODS: tuple[tuple[float, Maker], ...] = (
    (9, _open),
    (0.4, _open_path),
    (0.4, _open_path_async),
    (0.7, _pam_open),
    (4, _close_handle),
    (1.5, _close_wallet),
    (0.15, _close_all),
    (0.6, _delete),
    (1, lambda s: s.call("sync", "is", s.handle(), s.appid())),
    (2, lambda s: s.call("isOpen", "s", s.any_wallet())),
    (2, lambda s: s.call("isOpen", "i", s.handle())),
    (2, lambda s: s.call("users", "s", s.any_wallet())),
    (1, lambda s: s.call("wallets", "")),
    (0.5, lambda s: s.call("isEnabled", "")),
    (0.5, lambda s: s.call("networkWallet", "")),
    (0.5, lambda s: s.call("localWallet", "")),
    (0.3, lambda s: s.call("reconfigure", "")),
    (1, lambda s: s.call("disconnectApplication", "ss", s.any_wallet(), s.appid())),
    (4, lambda s: s.call("folderList", "is", s.handle(), s.appid())),
    (3, _folder_method("hasFolder")),
    (4, _folder_method("createFolder")),
    (0.6, _folder_method("removeFolder")),
    (4, _folder_method("entryList")),
    (2, _folder_method("entriesList")),
    (2, _folder_method("mapList")),
    (2, _folder_method("passwordList")),
    (4, _entry_method("readEntry")),
    (3, _entry_method("readMap")),
    (3, _entry_method("readPassword")),
    (3, _entry_method("hasEntry")),
    (3, _entry_method("entryType")),
    (2, _entry_method("removeEntry")),
    (3, _list_method("readEntryList")),
    (2, _list_method("readMapList")),
    (3, _list_method("readPasswordList")),
    (3, _rename),
    (6, _write_password),
    (5, _write_map),
    (4, _write_bytes),
    (6, _write_typed),
    (0.8, _write_odd_type),
    (2, lambda s: s.call("folderDoesNotExist", "ss", s.any_wallet(), s.folder())),
    (2, _key_absent),
    (1, _refused),
)
BURSTABLE = frozenset(
    {"writePassword", "writeMap", "writeEntry", "readEntry", "readPassword", "readMap", "hasEntry"}
    | {"entryType", "entryList", "folderList", "hasFolder", "createFolder", "removeEntry"}
)


def converse(seed: str, calls: int, profile: Profile | None = None) -> Conversation:
    """Draw a conversation of ``calls`` calls."""
    random = Random(seed)
    profile = profile or Profile()
    closes = profile.closing and profile.leaving
    leave_open = not closes or random.random() < 0.8
    settings = Settings(leave_open=leave_open, prompt=random.random() < 0.25)
    # A wallet that comes back under another name than it was opened by is not compared.
    restarts = calls // RESTART_EVERY if profile.case or random.random() < 0.5 else 0
    single = bool(restarts) and not profile.case
    speaker = Speaker(random, profile, settings.prompt, single)
    opening = (Call(0, "open", "sxs", ("kdewallet", 0, "app")),)
    steps = [*opening, *_draw(speaker, calls - 1)]
    for _ in range(restarts):
        steps.insert(random.randrange(1, len(steps) + 1), Restart(told=profile.told))
    return Conversation(seed, settings, tuple(steps), deletes_closed=profile.unlocking)


def _draw(speaker: Speaker, calls: int) -> Iterator[Step]:
    weights = [weight for weight, _ in METHODS]
    makers = [maker for _, maker in METHODS]
    drawn = 0
    while drawn < calls:
        draw = speaker.random.random()
        if draw < 0.01:
            yield Vanish(speaker.peer())
            drawn += 1
        elif draw < 0.02:
            burst = _burst(speaker)
            yield burst
            drawn += len(burst.calls)
        else:
            yield speaker.random.choices(makers, weights)[0](speaker)
            drawn += 1


def _burst(speaker: Speaker) -> Burst:
    weights = [weight for weight, _ in METHODS]
    makers = [maker for _, maker in METHODS]
    peer = speaker.peer()
    calls: list[Call] = []
    while len(calls) < 6:
        call = speaker.random.choices(makers, weights)[0](speaker)
        if call.member in BURSTABLE and not call.is_oddly_typed:
            extra = (call.path, call.interface)
            calls.append(Call(peer, call.member, call.signature, call.args, *extra))
    return Burst(tuple(calls))


def split_seeds(seed: str, calls: int, size: int) -> Iterator[tuple[str, int]]:
    """Divide a run into conversations, each with a seed of its own that can be repeated."""
    number = 0
    while calls > 0:
        yield f"{seed}/{number}", min(size, calls)
        calls -= size
        number += 1
