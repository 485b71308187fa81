# SPDX-License-Identifier: GPL-3.0-or-later
"""The login's key in the daemon: claimed when somebody first has a use for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kwallet_bridge.login.claim import claim_login_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.secret import Secret


class LoginKey:
    """One login's key, kept as long as wallets or a file may be opened by it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Claim from the helper of this user's session; nothing is claimed yet."""
        self._environ = environ
        self._key: Secret | None = None
        self._turn = asyncio.Lock()

    async def read(self) -> Secret | None:
        """Return the key; None while no login has handed one over.

        Asked again each time until there is one: the service may be older than the login.
        """
        async with self._turn:
            if self._key is None:
                self._key = await asyncio.to_thread(claim_login_key, self._environ)
            return self._key
