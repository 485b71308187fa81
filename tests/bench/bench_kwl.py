# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the wallet reader: ``PYTHONPATH=.:tests python tests/bench/bench_kwl.py``.

Prints one JSON object: milliseconds of processor time, the best of several, so that a busy
machine changes little. Reading is measured apart from the key derivation, which is slow on
purpose and the same for every reader.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from support import kwl_writer
from support.kwl_writer import NEWEST, Lock

from kwallet_bridge.kwl import sha1
from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.kwl.kdf import derive_pbkdf2_key, derive_sha1_key
from kwallet_bridge.kwl.reader import read_wallet_with_key
from kwallet_bridge.model import WalletName
from kwallet_bridge.qtstream import encode_string
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwallet_bridge.kwl.reader import WalletFile

KEY = Secret(bytes(56))
LOCK = Lock(NEWEST, Profile.KF5, KEY)
MEBIBYTE = 1 << 20


def measure(work: Callable[[], object], *, times: int = 20) -> float:
    """Give the least milliseconds of processor time that ``work`` took."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return round(best * 1000, 2)


def read(data: bytes) -> WalletFile:
    """Read with the known key."""
    return read_wallet_with_key(data, name=WalletName("bench"), cipher_key=KEY)


def main() -> None:
    """Measure and print."""
    entries = [(f"account {n}", 1, encode_string(f"password {n:010}")) for n in range(1000)]
    many = kwl_writer.write_wallet(LOCK, [("Passwords", entries)])
    noise = os.urandom(MEBIBYTE)
    large = kwl_writer.write_wallet(LOCK, [("Binary", [("noise", 2, noise)])])
    password = Secret(b"correct horse ba")
    figures = {
        "read 1000 entries": measure(lambda: read(many)),
        "read 1 MiB": measure(lambda: read(large)),
        "PBKDF2 key": measure(lambda: derive_pbkdf2_key(password, bytes(56)), times=5),
        "SHA-1 key, kf5": measure(lambda: derive_sha1_key(password, Profile.KF5), times=5),
        "SHA-1 key, kde4": measure(lambda: derive_sha1_key(password, Profile.KDE4), times=5),
        "SHA-1 of 1 MiB, libcrypto": measure(lambda: sha1.kde_sha1(noise, Profile.KF5)),
        "SHA-1 of 1 MiB, Python": measure(
            lambda: sha1.compress_slowly(iter([noise])),
            times=3,
        ),
    }
    print(json.dumps(figures, indent=1))  # noqa: T201  a script's result


if __name__ == "__main__":
    main()
