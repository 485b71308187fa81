# SPDX-License-Identifier: GPL-3.0-or-later
"""KeePassXC with a real database, exposed through the Secret Service."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

from support.client import ClientError
from support.peers import PASSWORD, SECRETS, Peer, Xvfb

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from support.private_bus import PrivateBus

SERVICE = "org.freedesktop.Secret.Service"
COLLECTION = "org.freedesktop.Secret.Collection"
PATH = "/org/freedesktop/secrets"
GROUP = uuid.UUID(int=0x0123456789ABCDEF0123456789ABCDEF)
EXPORT = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<KeePassFile>
 <Meta><DatabaseName>{label}</DatabaseName>
  <CustomData><Item><Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{exposed}</Value></Item></CustomData>
 </Meta>
 <Root><Group><UUID>{group}</UUID><Name>Root</Name></Group></Root>
</KeePassFile>
"""
SETTINGS = """\
[General]
ConfigVersion=2
AutoSaveAfterEveryChange={autosave}
AutoSaveOnExit=true
OpenPreviousDatabasesOnStartup=false
RememberLastDatabases=false
UpdateCheckMessageShown=true
SingleInstance=false

[GUI]
CheckForUpdates=false
MinimizeOnStartup=false

[FdoSecrets]
Enabled=true
ShowNotification=false
ConfirmAccessItem={confirm}
ConfirmDeleteItem={confirm}
UnlockBeforeSearch=true

[Security]
NoConfirmMoveEntryToRecycleBin={silent}
"""
READY_TIMEOUT = 30.0


class KeePassXC(Peer):
    """KeePassXC on a display nobody sees, its database open and exposed as ``label``."""

    name = SECRETS

    def __init__(
        self,
        bus: PrivateBus,
        display: Xvfb,
        *,
        label: str = "kdewallet",
        confirmations: bool = False,
        deletions: bool = True,
        autosave: bool = True,
        password: str = PASSWORD,
        within: Sequence[str] = (),
    ) -> None:
        super().__init__(bus)
        self._within = within
        self._display = display
        self._label = label
        self._confirmations = confirmations
        self._deletions = confirmations and deletions
        self._autosave = autosave
        self._password = password

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.bus.home / "vault.kdbx"

    def launch(self) -> subprocess.Popen[bytes]:
        """Make settings and database where missing, and open it."""
        self._write_settings()
        if not self.database.exists():
            self._make_database()
        return self.bus.start(
            [*self._within, "keepassxc", "--pw-stdin", str(self.database)],
            stdin=f"{self._password}\n".encode(),
            env=self._display.env,
        )

    def settle(self) -> None:
        """Wait until the database is exposed as an unlocked collection."""
        client = self.bus.client()
        client.subscribe(f"type='signal',sender='{SECRETS}'")
        while not self._exposed():
            assert client.pump(READY_TIMEOUT), "KeePassXC exposes no database"
            client.arrivals.clear()

    def _exposed(self) -> bool:
        collections = self._property(PATH, SERVICE, "Collections")
        assert isinstance(collections, list)
        return any(not self._property(path, COLLECTION, "Locked") for path in collections)

    def _property(self, path: str, interface: str, name: str) -> object:
        reply = self.bus.client().call(
            SECRETS, path, "org.freedesktop.DBus.Properties", "Get", "ss", [interface, name]
        )
        if reply.error:
            raise ClientError(reply.error)
        assert isinstance(reply.value, tuple)
        return reply.value[1]

    def _write_settings(self) -> None:
        folder = self.bus.config / "keepassxc"
        folder.mkdir(parents=True, exist_ok=True)
        text = SETTINGS.format(
            confirm=str(self._confirmations).lower(),
            silent=str(not self._deletions).lower(),
            autosave=str(self._autosave).lower(),
        )
        (folder / "keepassxc.ini").write_text(text, encoding="utf-8")

    def _make_database(self) -> None:
        export = self.bus.folder / "export.xml"
        text = EXPORT.format(
            label=self._label,
            exposed=f"{{{GROUP}}}",
            group=base64.b64encode(GROUP.bytes).decode(),
        )
        export.write_text(text, encoding="utf-8")
        self.bus.run(
            ["keepassxc-cli", "import", "--set-password", str(export), str(self.database)],
            stdin=f"{self._password}\n{self._password}\n",
        )
