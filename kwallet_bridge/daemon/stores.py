# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves, by the word of ``--store``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwallet_bridge.errors import UsageError
from kwallet_bridge.secretservice.backend import SecretServiceBackend
from kwallet_bridge.store.entries import EntryStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.bus.port import Bus
    from kwallet_bridge.store.port import Store

AUTO = "auto"
SECRET_SERVICE = "secret-service"  # noqa: S105  a word on the command line


async def open_store(spec: str, *, bus: Bus, environ: Mapping[str, str]) -> Store:
    """Open the store that ``spec`` names.

    Raises:
        UsageError: There is no such kind of store.
    """
    del environ
    if spec in {AUTO, SECRET_SERVICE}:
        return EntryStore(SecretServiceBackend(bus))
    raise UsageError("--store takes auto or secret-service")
