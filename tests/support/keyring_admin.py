# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock, unlock, make and delete collections of gnome-keyring without its dialogs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbus_fast import Variant

from support.peers import PASSWORD, SECRETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.client import RawClient

PATH = "/org/freedesktop/secrets"
SERVICE = "org.freedesktop.Secret.Service"
COLLECTION = "org.freedesktop.Secret.Collection"
PROPERTIES = "org.freedesktop.DBus.Properties"
UNSUPPORTED = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"


class KeyringAdmin:
    """What a person would do in a keyring manager, done over one connection."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._session = ""

    def collection(self, label: str) -> str:
        """Give the path of the collection with that label, "" for none."""
        for path in self.collections():
            if self._property(path, COLLECTION, "Label") == label:
                return path
        return ""

    def default(self) -> str:
        """Give the path behind the default alias, "" for none."""
        path = str(self._service("ReadAlias", "s", "default"))
        return "" if path == "/" else path

    def set_default(self, path: str) -> None:
        """Have the default alias name a collection."""
        self._service("SetAlias", "so", "default", path)
        # gnome-keyring tells nobody of an alias. Who asks again when collections come and go may
        # have asked before the alias was set.
        self.delete(self.create("passing"))

    def collections(self) -> list[str]:
        """List all collections' paths."""
        value = self._property(PATH, SERVICE, "Collections")
        assert isinstance(value, list)
        return value

    def is_locked(self, path: str) -> bool:
        """Tell whether a collection is locked."""
        return bool(self._property(path, COLLECTION, "Locked"))

    def lock(self, path: str) -> None:
        """Lock a collection."""
        self._service("Lock", "ao", [path])

    def unlock(self, path: str, password: str = PASSWORD) -> None:
        """Unlock a collection with its password."""
        self._unsupported("UnlockWithMasterPassword", "o(oayays)", path, self._secret(password))

    def create(self, label: str, password: str = PASSWORD) -> str:
        """Make a collection and give its path."""
        properties = {f"{COLLECTION}.Label": Variant("s", label)}
        signature = "a{sv}(oayays)"
        made = self._unsupported(
            "CreateWithMasterPassword", signature, properties, self._secret(password)
        )
        return str(made)

    def delete(self, path: str) -> None:
        """Delete a collection."""
        assert not self._client.call(SECRETS, path, COLLECTION, "Delete").error

    def items(self, path: str) -> dict[str, tuple[str, dict[str, str], bytes]]:
        """Give label, attributes and secret of each item, by path."""
        return {item: self._item(item) for item in self.item_paths(path)}

    def delete_item(self, path: str) -> None:
        """Delete an item."""
        reply = self._client.call(SECRETS, path, "org.freedesktop.Secret.Item", "Delete")
        assert not reply.error

    def add_item(self, path: str, attributes: dict[str, str], secret: bytes) -> str:
        """Make an item in a collection, beside any that is there, and give its path."""
        item = "org.freedesktop.Secret.Item"
        properties = {
            f"{item}.Label": Variant("s", "added"),
            f"{item}.Attributes": Variant("a{ss}", attributes),
        }
        value = [self._plain_session(), b"", secret, "text/plain"]
        body = [properties, value, False]
        return str(self._checked(path, COLLECTION, "CreateItem", "a{sv}(oayays)b", body))

    def item_paths(self, path: str) -> list[str]:
        """List a collection's items."""
        paths = self._property(path, COLLECTION, "Items")
        assert isinstance(paths, list)
        return paths

    def _item(self, path: str) -> tuple[str, dict[str, str], bytes]:
        interface = "org.freedesktop.Secret.Item"
        attributes = self._property(path, interface, "Attributes")
        assert isinstance(attributes, dict)
        reply = self._client.call(
            SECRETS, path, interface, "GetSecret", "o", [self._plain_session()]
        )
        secret = reply.value
        assert isinstance(secret, list)
        return (str(self._property(path, interface, "Label")), attributes, secret[2])

    def _secret(self, password: str) -> list[object]:
        return [self._plain_session(), b"", password.encode(), "text/plain"]

    def _plain_session(self) -> str:
        if not self._session:
            body = ["plain", Variant("s", "")]
            reply = self._client.call(SECRETS, PATH, SERVICE, "OpenSession", "sv", body)
            assert not reply.error, reply.error
            self._session = str(reply.body[1])
        return self._session

    def _property(self, path: str, interface: str, name: str) -> object:
        reply = self._client.call(SECRETS, path, PROPERTIES, "Get", "ss", [interface, name])
        value = reply.value
        assert isinstance(value, tuple)
        return value[1]

    def _service(self, member: str, signature: str, *body: object) -> object:
        return self._checked(PATH, SERVICE, member, signature, body)

    def _unsupported(self, member: str, signature: str, *body: object) -> object:
        return self._checked(PATH, UNSUPPORTED, member, signature, body)

    def _checked(
        self, path: str, interface: str, member: str, signature: str, body: Sequence[object]
    ) -> object:
        reply = self._client.call(SECRETS, path, interface, member, signature, body)
        assert not reply.error, f"{member}: {reply.error} {reply.body}"
        return reply.body[0] if reply.body else None
