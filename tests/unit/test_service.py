# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.services import APP, OTHER, PEER, WALLET, Served, until

from kwallet_bridge.config import Settings
from kwallet_bridge.errors import HandleError, StoreUnavailableError
from kwallet_bridge.model import AppId, FolderName, Handle, Key, WalletName
from kwallet_bridge.wallet import events
from kwallet_bridge.wallet.quota import OPEN_WEIGHT, Quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NEW = WalletName("new")
FOLDER = FolderName("F")
KEY = Key("k")
GONE = Handle(-1)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A service over one unlocked default collection called Login."""
    world = Served()
    world.backend.add_collection("Login", alias="default")
    yield world
    await world.service.stop()
    await world.store.close()


def _closed(handle: Handle, wallet: WalletName = WALLET) -> list[events.Event]:
    return [events.WalletClosed(wallet, handle), events.AllWalletsClosed()]


async def test_applications_share_one_handle(served: Served) -> None:
    """Each open of an open wallet gives the same number, to each application its own session."""
    first = await served.open()
    assert await served.open(OTHER) == first > 0
    assert await served.service.list_users("", wallet=WALLET) == ["app", "other"]
    with pytest.raises(HandleError):
        await served.contents.list_folders("", handle=first, appid=AppId("stranger"))


async def test_the_first_open_gives_a_foreign_collection_its_folders(served: Served) -> None:
    """A provider's own collection becomes a wallet with KWallet's folders, once."""
    handle = await served.open()
    assert served.heard()[:2] == [events.FolderListUpdated(WALLET)] * 2
    folders = await served.contents.list_folders("", handle=handle, appid=APP)
    assert folders == ["Form Data", "Passwords"]
    await served.open(OTHER)
    assert served.heard() == [events.WalletAsyncOpened(1, handle)]


async def test_the_users_of_a_closed_wallet_are_everybody(served: Served) -> None:
    """As at kwalletd, a wallet that is not open has the users of all that are, each once."""
    assert await served.service.list_users("", wallet=NEW) == []
    await served.open()
    await served.open(OTHER)
    assert await served.service.list_users("", wallet=NEW) == ["app", "other"]


async def test_a_deleted_wallet_that_lives_on_gets_its_folders_again(served: Served) -> None:
    """The default collection stays when its wallet is deleted; its next open is a first one."""
    await served.open()
    assert await served.service.delete_wallet("", wallet=WALLET) == 0
    handle = await served.open()
    folders = await served.contents.list_folders("", handle=handle, appid=APP)
    assert folders == ["Form Data", "Passwords"]


async def test_a_missing_wallet_is_made_by_open_alone(served: Served) -> None:
    """Questions make nothing; an open asks the provider, and tells in kwalletd's order."""
    assert not await served.service.is_open_wallet("", wallet=NEW)
    assert await served.service.list_wallets("") == [WALLET]
    handle = await served.open(wallet=NEW)
    assert served.heard() == [
        events.FolderListUpdated(NEW),
        events.FolderListUpdated(NEW),
        events.WalletCreated(NEW),
        events.WalletListDirty(),
        events.WalletOpened(NEW),
        events.WalletAsyncOpened(0, handle),
    ]


async def test_opens_of_a_missing_wallet_share_its_making(served: Served) -> None:
    """Three at once make one collection by one prompt, and it is told once."""
    opens = [served.open(AppId(name), NEW) for name in ("a", "b", "c")]
    handles = await asyncio.gather(*opens)
    assert len(set(handles)) == 1
    assert served.backend.prompts == 1
    assert len(await served.backend.collections()) == 2
    told = served.heard()
    assert told.count(events.WalletCreated(NEW)) == told.count(events.WalletOpened(NEW)) == 1


async def test_a_wallet_made_for_a_program_that_left_is_told(served: Served) -> None:
    """Past the prompt the wallet comes to be, and everybody hears of it."""
    gate = await _leave_in_mid_open(served, "create_item", NEW)
    assert NEW not in [told.wallet for told in served.heard() if hasattr(told, "wallet")]
    gate.set()
    await until(lambda: events.WalletOpened(NEW) in served.told)
    assert served.heard() == [
        events.FolderListUpdated(NEW),
        events.FolderListUpdated(NEW),
        events.WalletCreated(NEW),
        events.WalletListDirty(),
        events.WalletOpened(NEW),
    ]
    assert await served.service.list_users("", wallet=NEW) == []
    assert await served.open(wallet=NEW) > 0


async def test_opens_that_wait_for_a_person_are_bounded() -> None:
    """Beyond a number of opens under way a caller's next one fails at once; others' do not."""
    served = Served(quota=Quota(3 * OPEN_WEIGHT))
    served.backend.add_collection(WALLET, alias="default")

    async def open_async(caller: str) -> int:
        return await served.service.open_async(
            caller, wallet=WALLET, window_id=0, appid=APP, handle_session=True
        )

    assert [await open_async(PEER) for _ in range(4)] == [0, 1, 2, -1]
    assert await open_async(":1.9") == 3
    await until(lambda: len([e for e in served.told if hasattr(e, "transaction")]) == 4)
    assert await open_async(PEER) == 4


async def test_a_wallet_nobody_waits_for_is_not_asked_for(served: Served) -> None:
    """Before the prompt is answered, the last one to leave takes it away with them."""
    gate = await _leave_in_mid_open(served, "create_collection", NEW)
    gate.set()
    await asyncio.sleep(0)
    assert await served.service.list_wallets("") == [WALLET]


async def test_an_open_is_not_refused_for_the_last_provider(served: Served) -> None:
    """An open that joins one which then fails at a provider long gone is done at the new one."""
    await served.service.list_wallets("")
    fail, entered = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        if called == "unlock":
            entered.set()
            await fail.wait()
            served.backend.gate = None
            raise StoreUnavailableError("it went away")

    box = next(iter(await served.backend.collections())).id
    served.backend.set_locked(box, locked=True)
    served.backend.gate = gate
    before = asyncio.ensure_future(served.open())
    await entered.wait()
    served.backend.restart()
    after = asyncio.ensure_future(served.open(OTHER))
    for _ in range(20):
        await asyncio.sleep(0)  # until it has nothing to do but wait for the other
    fail.set()
    assert await after > 0
    assert await before == GONE


async def _leave_in_mid_open(served: Served, held: str, wallet: WalletName) -> asyncio.Event:
    """Open, and leave when the provider's call of this name is under way."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        if called == held:
            entered.set()
            await go_on.wait()

    served.backend.gate = gate
    await served.service.open_async(
        PEER, wallet=wallet, window_id=0, appid=APP, handle_session=True
    )
    await entered.wait()
    served.service.peer_vanished(PEER)
    await asyncio.sleep(0)
    return go_on


async def test_a_wallet_is_open_once_it_was_told(served: Served) -> None:
    """While a wallet is being made for one program it is not open for another."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def gate(called: str) -> None:
        if called == "create_item":
            entered.set()
            await go_on.wait()

    served.backend.gate = gate
    opening = asyncio.ensure_future(served.open(wallet=NEW))
    await entered.wait()
    assert not await served.service.is_open_wallet("", wallet=NEW)
    go_on.set()
    assert await opening > 0
    assert events.WalletOpened(NEW) in served.heard()
    assert await served.service.is_open_wallet("", wallet=NEW)


async def test_a_wallet_that_others_make_is_open(served: Served) -> None:
    """Listeners hear that the list changed, then that the new wallet is open."""
    assert await served.service.list_wallets("") == [WALLET]
    served.backend.add_collection("new")
    await until(lambda: len(served.told) == 2)
    assert served.heard() == [events.WalletListDirty(), events.WalletOpened(NEW)]
    assert await served.service.is_open_wallet("", wallet=NEW)


@pytest.mark.parametrize("wallet", ["", "new"])
async def test_a_refused_open_is_answered_and_told(served: Served, wallet: str) -> None:
    """No name, or a person who says no, is -1 for the caller and for who waits for the signal."""
    served.backend.accept_prompts = False
    assert await served.open(wallet=WalletName(wallet)) == GONE
    assert served.heard() == [events.WalletAsyncOpened(0, GONE)]


async def test_open_async_answers_before_it_tells(served: Served) -> None:
    """The number is out before the signal that carries it: Chromium drops an earlier one."""
    number = await served.service.open_async(
        PEER, wallet=WALLET, window_id=0, appid=APP, handle_session=True
    )
    assert (number, served.heard()) == (0, [])
    await until(lambda: any(isinstance(e, events.WalletAsyncOpened) for e in served.told))
    opened = served.wallets.by_name(WALLET)
    assert opened is not None
    assert served.told[-1] == events.WalletAsyncOpened(0, opened.handle)


async def test_a_vanished_peer_loses_watched_sessions_only(served: Served) -> None:
    """``openAsync`` with a session ends with its peer; sessions of ``open`` stay for ever."""
    await served.open(OTHER, caller=":1.7")
    await served.service.open_async(
        ":1.7", wallet=WALLET, window_id=0, appid=APP, handle_session=True
    )
    opened = served.wallets.by_name(WALLET)
    assert opened is not None
    await until(lambda: len(opened.holds) == 2)
    served.service.peer_vanished(":1.7")
    assert await served.service.list_users("", wallet=WALLET) == ["other"]


async def test_closing_follows_leave_open(served: Served) -> None:
    """With Leave Open an ordinary close answers 1 and keeps the handle."""
    handle = await served.open()
    close = served.service.close_handle
    assert await close(PEER, handle=handle, force=False, appid=APP) == 1
    assert await served.service.is_open_handle("", handle=handle)
    assert await close(PEER, handle=handle, force=True, appid=APP) == 1  # no session any more
    assert await close(PEER, handle=Handle(0), force=True, appid=APP) == -1
    served.heard()
    assert await served.service.close_wallet("", wallet=WALLET, force=True) == 0
    assert served.heard() == _closed(handle)


async def test_the_last_user_closes_without_leave_open() -> None:
    """Without Leave Open the wallet closes with its last reference, and is locked."""
    world = Served(Settings(leave_open=False))
    found = world.backend.add_collection("kdewallet")
    handle = await world.open()
    await world.open(OTHER)
    close = world.service.close_handle
    assert await close(PEER, handle=handle, force=False, appid=APP) == 1
    world.heard()
    assert await close(PEER, handle=handle, force=False, appid=OTHER) == 0
    assert world.heard() == _closed(handle)
    assert await world.backend.is_locked(found)


async def test_a_wallet_closed_but_not_locked_stays_closed() -> None:
    """Where closing does not lock, the wallet is closed all the same until it is opened again."""
    world = Served(Settings(lock_on_close=False))
    found = world.backend.add_collection("kdewallet")
    await world.open()
    await world.service.close_all_wallets("")
    assert not await world.backend.is_locked(found)
    assert not await world.service.is_open_wallet("", wallet=WALLET)
    world.heard()
    handle = await world.open()
    assert world.heard() == [
        events.WalletOpened(WALLET),
        events.WalletAsyncOpened(1, handle),
    ]


async def test_disconnecting_an_application(served: Served) -> None:
    """All its sessions end and listeners are told; a stranger is False and silent."""
    await served.open()
    await served.open()
    served.heard()
    disconnect = served.service.disconnect_application
    assert not await disconnect("", wallet=WALLET, application=OTHER)
    assert served.heard() == []
    assert await disconnect("", wallet=WALLET, application=APP)
    assert served.heard() == [events.ApplicationDisconnected(WALLET, APP)]
    assert await served.service.list_users("", wallet=WALLET) == []


async def test_a_collection_locked_elsewhere_is_a_forced_close(served: Served) -> None:
    """Clients hear of it as of any close; unlocked again, the wallet is open without users."""
    handle = await served.open()
    served.heard()
    collection = (await served.backend.collections())[0].id
    served.backend.set_locked(collection, locked=True)
    await until(lambda: served.told[-2:] == _closed(handle))
    assert not await served.service.is_open_wallet("", wallet=WALLET)
    served.heard()
    served.backend.set_locked(collection, locked=False)
    await until(lambda: events.WalletOpened(WALLET) in served.told)
    assert await served.service.is_open_wallet("", wallet=WALLET)


async def test_a_provider_that_leaves_closes_everything(served: Served) -> None:
    """Handles are announced closed, and questions are errors, never "absent"."""
    handle = await served.open()
    served.heard()
    served.backend.go()
    assert served.heard() == _closed(handle)
    assert await served.open() == GONE
    with pytest.raises(StoreUnavailableError):
        await served.service.is_open_wallet("", wallet=WALLET)
    with pytest.raises(StoreUnavailableError):
        await served.service.key_does_not_exist("", wallet=WALLET, folder=FOLDER, key=KEY)
    served.backend.come_back()
    assert await served.open() > 0


async def test_a_provider_that_returns_open_is_told(served: Served) -> None:
    """A wallet that comes back unlocked is told as opened once, whether it was open or closed."""
    handle = await served.open()
    served.heard()
    served.backend.restart()
    await until(lambda: events.WalletOpened(WALLET) in served.told)
    assert served.heard() == [
        *_closed(handle),
        events.WalletListDirty(),
        events.WalletOpened(WALLET),
    ]
    await served.service.close_wallet("", wallet=WALLET, force=True)
    served.heard()
    collection = (await served.backend.collections())[0].id
    served.backend.go()
    served.backend.set_locked(collection, locked=False)
    served.backend.come_back()
    assert await served.service.is_open_wallet("", wallet=WALLET)
    assert served.heard() == [events.WalletListDirty(), events.WalletOpened(WALLET)]


async def test_disabled_refuses_at_once(served: Served) -> None:
    """Switched off, every wallet closes, opens are refused without a signal, names are kept."""
    handle = await served.open()
    served.heard()
    await served.configure(enabled=False)
    assert served.heard() == _closed(handle)
    assert not await served.service.is_enabled("")
    assert await served.open() == GONE
    refused = await served.service.open_async(
        PEER, wallet=WALLET, window_id=0, appid=APP, handle_session=False
    )
    assert (refused, served.heard()) == (-1, [])


async def test_auto_deny_refuses_without_asking(served: Served) -> None:
    """An application listed under Auto Deny gets -1, the nameless one by its written name."""
    await served.configure(auto_deny={WALLET: ("app", "KDE System")})
    assert await served.open() == GONE
    assert await served.open(AppId("")) == GONE
    assert await served.open(OTHER) > 0


class _Asker:
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, *, wallet: WalletName, appid: AppId, caller: str) -> bool:
        """Answer as told before."""
        self.asked.append(f"{wallet} {appid} {caller}")
        return self.answers.pop(0)


async def test_prompt_on_open_asks_who_is_not_known() -> None:
    """One question per application that has no session and is not listed under Auto Allow."""
    asker = _Asker(False, True)
    world = Served(Settings(prompt_on_open=True, auto_allow={WALLET: ("friend",)}), asker)
    world.backend.add_collection("kdewallet")
    assert await world.open(AppId("friend")) > 0
    assert await world.open() == GONE
    handle = await world.open()
    assert await world.open() == handle
    assert asker.asked == ["kdewallet app :1.1"] * 2


async def test_idle_wallets_close_after_minutes_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A use puts the close off; the time is minutes, per wallet."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    now = [start]
    monkeypatch.setattr(loop, "time", lambda: now[0])
    world = Served(Settings(close_when_idle=True, idle_timeout_minutes=1))
    world.backend.add_collection("kdewallet")
    handle = await world.open()
    world.heard()
    now[0] = start + 30
    await world.contents.has_folder("", handle=handle, folder=FOLDER, appid=APP)
    now[0] = start + 80
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert world.heard() == []
    now[0] = start + 91
    await until(lambda: world.told == _closed(handle))


async def test_deleting_keeps_what_others_keep(served: Served) -> None:
    """Only KWallet's items go from a shared collection; an unknown wallet is -1 and silent."""
    collection = (await served.backend.collections())[0].id
    served.backend.add_item(collection, {"application": "browser"}, b"theirs")
    handle = await served.open()
    await served.contents.write_password(
        "", handle=handle, folder=FOLDER, key=KEY, value="x", appid=APP
    )
    served.heard()
    assert await served.service.delete_wallet("", wallet=WALLET) == 0
    assert served.forgotten == [WALLET]
    assert served.heard()[:3] == [*_closed(handle), events.WalletDeleted(WALLET)]
    assert [row[2] for row in served.backend.dump(collection)] == [b"theirs"]
    assert await served.service.delete_wallet("", wallet=NEW) == -1
    assert served.forgotten == [WALLET]


async def test_a_denial_covers_every_name_of_a_wallet() -> None:
    """Who is denied the default wallet is denied it under its collection's label too."""
    world = Served(Settings(auto_deny={WALLET: (APP,)}))
    world.backend.add_collection("Login", alias="default")
    assert await world.open(wallet=WalletName("Login")) == GONE
    assert await world.open(OTHER, wallet=WalletName("Login")) > 0


async def test_transactions_count_up_and_wrap(served: Served) -> None:
    """Ids start at 0, are drawn by changePassword too, and never turn negative."""
    await served.open()
    await served.service.change_password("", wallet=WALLET, window_id=0, appid=APP)
    served.heard()
    await served.open()
    served.service._openings._next = 2**31 - 1
    await served.open()
    await served.open()
    numbers = [e.transaction for e in served.told if isinstance(e, events.WalletAsyncOpened)]
    assert numbers == [2, 2**31 - 1, 0]


async def test_a_store_without_provider_is_not_enabled(served: Served) -> None:
    """Programs that fall back to their own file do so at once instead of at the first open."""
    assert await served.service.is_enabled("")
    served.backend.go()
    assert not await served.service.is_enabled("")


async def test_label_and_configured_name_are_one_wallet(served: Served) -> None:
    """The default collection's own label opens the same wallet under the same handle."""
    assert await served.open(wallet=WalletName("Login")) == await served.open()
    assert await served.service.list_users("", wallet=WalletName("Login")) == ["app"]


async def test_the_close_by_a_vanished_peer_is_told_at_once() -> None:
    """No answer given after the peer left comes before the signals of the close."""
    world = Served(Settings(leave_open=False))
    found = world.backend.add_collection("kdewallet")
    await world.service.open_async(
        ":1.7", wallet=WALLET, window_id=0, appid=APP, handle_session=True
    )
    await until(lambda: any(isinstance(e, events.WalletAsyncOpened) for e in world.told))
    opened = world.wallets.by_name(WALLET)
    assert opened is not None
    world.heard()
    world.service.peer_vanished(":1.7")
    assert world.heard() == _closed(opened.handle)
    await world.service.stop()
    assert await world.backend.is_locked(found)
