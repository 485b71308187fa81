# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in Secret Service provider: one knob per quirk, and every misbehaviour on demand."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwallet_bridge.bus.connection import BusConnection
from kwallet_bridge.bus.port import Variant
from kwallet_bridge.store.port import Quirks
from support.fake_items import (
    NO_SESSION,
    ROOT,
    FakeCollection,
    FakeError,
    FakeVault,
)
from support.fake_prompts import FakePrompts, PromptRun
from support.fake_sessions import FakeSessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.bus.incoming import IncomingCall

SECRET = "org.freedesktop.Secret."
PROPERTIES = "org.freedesktop.DBus.Properties"
Answer = tuple[str, list[object]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do instead of answering rightly.

    ``die``: ``before`` the work, ``during`` (the work is done, no answer), or ``after`` answering.
    ``wait``: answer once this is set; nobody else waits. ``silent``: never answer.
    """

    die: str = ""
    error: str = ""
    text: str = ""
    reply: Answer | None = None
    wait: asyncio.Event | None = None
    silent: bool = False
    act: bool = True


class FakeProvider:
    """Serves the Secret Service from memory.

    Knobs: ``vault`` (with its quirks), ``faults`` by member, ``prompts.style``, ``prompts_for``
    (members that prompt), ``sessions`` (with knobs of their own), ``most_bytes`` (of one answer of
    GetSecrets; ``largest`` was asked for).
    """

    def __init__(self, address: str, quirks: Quirks | None = None) -> None:
        self.address = address
        self.vault = FakeVault(quirks or Quirks())
        self.faults: dict[str, deque[Fault]] = {}
        self.calls: Counter[str] = Counter()
        self.looked_at: dict[str, str] = {}
        """By unique name the call at which a client is looked at: its first."""
        self.prompts_for = {"Unlock", "CreateCollection"}
        self.knows_by_session = False
        """Whether it shows prompts only to who has opened a session, as oo7 does."""
        self.prompts = FakePrompts(self.emit)
        self.sessions = FakeSessions(self.vault)
        self.most_bytes = 64 << 20
        self.largest = 0
        self.name = "org.freedesktop.secrets"
        self._bus: BusConnection | None = None
        self._ending: list[BusConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: dict[tuple[str, int], Callable[[], object]] = {}

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and own the name."""
        self._bus = await BusConnection.connect(self.address)
        self._bus.serve(self._take)
        await self._bus.request_name(self.name)

    async def stop(self) -> None:
        """Leave the bus, and return once we left."""
        self._die()
        # Until an old connection has ended, a new one could inherit its descriptor's number.
        while self._ending:
            await asyncio.wait([self._ending.pop().lost])

    async def restart(self) -> None:
        """Come back under another unique name, with what files kept."""
        await self.stop()
        self.vault.restart()
        await self.start()

    def fail(self, member: str, *faults: Fault) -> None:
        """Have the next calls of a member fail, one fault each."""
        self.faults.setdefault(member, deque()).extend(faults)

    def when_called(self, member: str, number: int, tell: Callable[[], object]) -> None:
        """Have ``tell`` called when a member is called for the numbered time, before acting."""
        self._watches[member, number] = tell

    def show_late_collections(self) -> None:
        """Let the collections appear at last, telling nobody."""
        self.vault.late = False

    def set_locked(self, collection: FakeCollection, *, locked: bool) -> None:
        """Lock or unlock, telling it as the provider would."""
        collection.locked = locked
        collection.opened = collection.opened or not locked
        self.emit(ROOT, "Service", "CollectionChanged", "o", [collection.path])
        if self.vault.quirks.hides_locked_items and locked:
            for path in collection.items:
                self.emit(collection.path, "Collection", "ItemDeleted", "o", [path])

    def emit(
        self, path: str, interface: str, member: str, signature: str, body: list[object]
    ) -> None:
        """Send a signal."""
        if self._bus is not None:
            self._bus.emit(path, SECRET + interface, member, signature, body)

    # --- dispatch --------------------------------------------------------------------------

    def _take(self, call: IncomingCall) -> None:
        self.calls[call.member] += 1
        tell = self._watches.pop((call.member, self.calls[call.member]), None)
        if tell is not None:
            tell()
        if self.vault.quirks.looks_at_clients:
            self.looked_at.setdefault(call.sender, call.member)
        waiting = self.faults.get(call.member)
        fault = waiting.popleft() if waiting else Fault()
        if fault.wait is not None:
            task = asyncio.get_running_loop().create_task(self._later(call, fault))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._act(call, fault)

    async def _later(self, call: IncomingCall, fault: Fault) -> None:
        assert fault.wait is not None
        await fault.wait.wait()
        self._act(call, fault)

    def _act(self, call: IncomingCall, fault: Fault) -> None:
        bus = self._bus
        if bus is None or fault.die == "before":
            self._die()
            return
        if fault.error:
            call.fail(fault.error, fault.text)
            return
        try:
            answer = self._answer(call) if fault.act else ("", [])
        except FakeError as error:
            call.fail(str(error), "")
            return
        if fault.silent or fault.die == "during":
            if fault.die:
                self._die()
            return
        call.reply(*(fault.reply or answer))
        if fault.die == "after":
            task = asyncio.get_running_loop().create_task(self._flush_and_die(bus))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _flush_and_die(self, bus: BusConnection) -> None:
        await bus.flush()
        self._die()

    def _die(self) -> None:
        bus, self._bus = self._bus, None
        self.sessions.forget()
        self.prompts.open.clear()
        if bus is not None:
            bus.close()
            self._ending.append(bus)

    def _answer(self, call: IncomingCall) -> Answer:
        interface = call.interface.removeprefix(SECRET)
        handler = getattr(self, f"_{interface}_{call.member}".lower(), None)
        if call.interface == PROPERTIES:
            handler = getattr(self, f"_property_{call.member}".lower(), None)
        if handler is None:
            raise FakeError("org.freedesktop.DBus.Error.UnknownMethod")
        answer: Answer = handler(call.path, *call.body)
        return answer

    # --- Service ---------------------------------------------------------------------------

    def _service_opensession(self, _: str, algorithm: str, data: Any) -> Answer:
        return "vo", self.sessions.open(algorithm, data)

    def _service_createcollection(self, _: str, properties: Any, alias: str) -> Answer:
        label = properties[SECRET + "Collection.Label"].value

        def make() -> Variant:
            collection = self.vault.add_collection(label)
            self.emit(ROOT, "Service", "CollectionCreated", "o", [collection.path])
            return Variant("o", collection.path)

        return "oo", list(self._maybe_prompt("CreateCollection", make))

    def _service_unlock(self, _: str, paths: list[str]) -> Answer:
        locked = [path for path in paths if self._is_locked(path)]
        if not locked:
            return "aoo", [paths, "/"]

        def unlock() -> Variant:
            for path in locked:
                self._unlock(path)
            return Variant("ao", locked)

        done, prompt = self._maybe_prompt("Unlock", unlock)
        return "aoo", [paths if done != "/" else [], prompt]

    def _is_locked(self, path: str) -> bool:
        if path in self.vault.collections:
            return self.vault.collections[path].locked
        return self.vault.is_locked(self.vault.item(path))

    def _unlock(self, path: str) -> None:
        if path not in self.vault.collections:
            self.vault.item(path).locked = False
            path = path.rpartition("/")[0]
        self.set_locked(self.vault.collections[path], locked=False)

    def _service_lock(self, _: str, paths: list[str]) -> Answer:
        for path in paths:
            self.set_locked(self.vault.collection(path), locked=True)
        return "aoo", [paths, "/"]

    def _service_getsecrets(self, _: str, paths: list[str], session: str) -> Answer:
        found: dict[str, object] = {}
        size = self.vault.weigh(paths)
        self.largest = max(self.largest, size)
        if size > self.most_bytes:
            raise FakeError("org.freedesktop.DBus.Error.LimitsExceeded")
        for path in paths:
            try:
                found[path] = self.sessions.seal(session, self.vault.item(path))
            except FakeError as error:
                if str(error) == NO_SESSION:
                    raise
        return "a{o(oayays)}", [found]

    def _service_readalias(self, _: str, name: str) -> Answer:
        return "o", [self.vault.alias(name)]

    # --- Collection ------------------------------------------------------------------------

    def _collection_searchitems(self, path: str, attributes: dict[str, str]) -> Answer:
        found = self.vault.search(self.vault.collection(path), attributes)
        return "ao", [found if attributes else []]  # as KeePassXC: nobody is to ask that

    def _collection_delete(self, path: str) -> Answer:
        self.vault.collection(path)

        def delete() -> Variant:
            del self.vault.collections[path]
            self.emit(ROOT, "Service", "CollectionDeleted", "o", [path])
            return Variant("s", "")

        return "o", [self._maybe_prompt("Delete", delete)[1]]

    def _collection_createitem(
        self,
        path: str,
        properties: Any,
        secret: list[Any],
        replace: bool,  # noqa: FBT001  a D-Bus argument
    ) -> Answer:
        collection = self.vault.collection(path)
        label = properties[SECRET + "Item.Label"].value
        attributes = properties[SECRET + "Item.Attributes"].value
        value = self.sessions.unseal(secret)
        prompts = "CreateItem" in self.prompts_for or self.vault.hides(collection)
        if collection.locked and not prompts:
            raise FakeError("org.freedesktop.Secret.Error.IsLocked")

        def store() -> Variant:
            if self.vault.hides(collection):
                self.set_locked(collection, locked=False)
            known = set(collection.items)
            try:
                item, old = self.vault.store(
                    collection, label, attributes, value, secret[3], replace=replace
                )
            finally:
                for made in set(collection.items) - known:
                    self.emit(path, "Collection", "ItemCreated", "o", [made])
            if old is not None:
                self.emit(path, "Collection", "ItemDeleted", "o", [old.path])
            elif item.path in known:
                self.emit(path, "Collection", "ItemChanged", "o", [item.path])
            return Variant("o", item.path)

        def spoil() -> Variant:
            half = self.vault.add_item(collection, label, attributes, b"")
            return Variant("o", half.path)

        if not prompts:
            return "oo", [store().value, "/"]
        return "oo", ["/", self.prompts.make(PromptRun(store, spoil))]

    # --- Item ------------------------------------------------------------------------------

    def _item_getsecret(self, path: str, session: str) -> Answer:
        return "(oayays)", [self.sessions.seal(session, self.vault.item(path))]

    def _item_delete(self, path: str) -> Answer:
        item = self.vault.item(path)
        parent = path.rpartition("/")[0]

        def delete() -> Variant:
            self.vault.delete(item)
            self.emit(parent, "Collection", "ItemDeleted", "o", [path])
            return Variant("s", "")

        if self.vault.shows_locked and self.vault.is_locked(item):
            return "o", [self.prompts.make(PromptRun(delete))]
        return "o", [self._maybe_prompt("Delete", delete)[1]]

    # --- prompts ---------------------------------------------------------------------------

    def _maybe_prompt(self, member: str, work: Callable[[], Variant]) -> tuple[object, str]:
        """Do the work, or make a prompt that does it; gives the result, ``/`` for none yet."""
        if member in self.prompts_for:
            return "/", self.prompts.make(PromptRun(work))
        return work().value, "/"

    def _prompt_prompt(self, path: str, window_id: str) -> Answer:
        if self.knows_by_session and not self.sessions.any_open:
            raise FakeError("org.freedesktop.zbus.Error")
        self.prompts.show(path, window_id)
        return "", []

    def _prompt_dismiss(self, path: str) -> Answer:
        self.prompts.dismiss(path)
        return "", []

    # --- properties ------------------------------------------------------------------------

    def _shown(self, path: str) -> dict[str, Variant]:
        if path == ROOT:
            return {"Collections": Variant("ao", self.vault.listed())}
        if path in self.vault.collections:
            collection = self.vault.collection(path)
            return {
                "Items": Variant("ao", self.vault.listed_items(collection)),
                "Label": Variant("s", self.vault.label(collection)),
                "Locked": Variant("b", collection.locked),
                "Created": Variant("t", 1),
                "Modified": Variant("t", 1),
            }
        item = self.vault.item(path)
        if self.vault.shows_locked and self.vault.is_locked(item):
            return {"Locked": Variant("b", value=True)}
        return {
            "Label": Variant("s", item.label),
            "Attributes": Variant("a{ss}", dict(item.attributes)),
            "Locked": Variant("b", self.vault.is_locked(item)),
            "Created": Variant("t", item.created),
            "Modified": Variant("t", item.modified),
        }

    def _property_get(self, path: str, _: str, name: str) -> Answer:
        return "v", [self._shown(path)[name]]

    def _property_getall(self, path: str, _: str) -> Answer:
        return "a{sv}", [self._shown(path)]

    def _property_set(self, path: str, _: str, name: str, value: Any) -> Answer:
        assert name == "Attributes"
        item = self.vault.item(path)
        item.attributes = dict(value.value)
        self.emit(path.rpartition("/")[0], "Collection", "ItemChanged", "o", [path])
        return "", []
