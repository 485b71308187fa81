# SPDX-License-Identifier: GPL-3.0-or-later
"""A scratch GnuPG home with the vectors' secret key."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.paths import VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_gnupg_home() -> Iterator[str]:
    """Make a home of its own, import the key, and end its agent afterwards.

    Not below pytest's directory: the path of the agent's socket must be short.
    """
    with tempfile.TemporaryDirectory(prefix="gpg", ignore_cleanup_errors=True) as home:
        environment = {**os.environ, "GNUPGHOME": home}
        subprocess.run(
            ["gpg", "--batch", "--quiet", "--import", str(VECTORS / "gpg-secret-key.asc")],
            check=True,
            env=environment,
            capture_output=True,
        )
        try:
            yield home
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=True, env=environment)
