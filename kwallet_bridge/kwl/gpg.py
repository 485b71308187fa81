# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypt through the user's own ``gpg``; keys and passphrases stay with its agent."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from kwallet_bridge.errors import GpgError, LimitError
from kwallet_bridge.kwl.formats import MAX_SIZE
from kwallet_bridge.kwl.reader import Decrypted

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS = b"[GNUPG:] "


def decrypt_with_gpg(
    message: bytes, *, program: str = "gpg", max_output: int = MAX_SIZE
) -> Decrypted:
    """Decrypt one OpenPGP message; a person may be asked by their agent, for as long as it takes.

    gpg writes plaintext before it has checked it, so all of it is held back until gpg has ended
    well and said so.

    Raises:
        GpgError: gpg is missing, the key is missing, or the message is no good.
        LimitError: It unpacks to more than ``max_output`` bytes.
    """
    options = ("--status-fd", "2", "--max-output", str(max_output), "--decrypt")
    done = _run(program, options, message)
    status = [
        line[len(_STATUS) :].decode("ascii", "replace").split()
        for line in done.stderr.splitlines()
        if line.startswith(_STATUS)
    ]
    said = {words[0] for words in status if words}
    if len(done.stdout) >= max_output or b"exceeded --max-output" in done.stderr:
        raise LimitError(f"the wallet unpacks to more than {max_output >> 20} MiB")
    if done.returncode != 0 or "DECRYPTION_OKAY" not in said:
        raise GpgError(_explain(program, said, status))
    return Decrypted(done.stdout, _find_primary_key(status))


def _run(
    program: str, options: Sequence[str], message: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603  the user's own gpg; the message goes to its input
            [program, "--batch", "--no-tty", "--quiet", *options],
            input=message,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise GpgError("gpg cannot be run; install GnuPG to read this wallet") from error


def _explain(program: str, said: set[str], status: Sequence[Sequence[str]]) -> str:
    if "PLAINTEXT" in said:
        return "the wallet's OpenPGP message is damaged"
    keys = [words[1] for words in status if len(words) > 1 and words[0] == "ENC_TO"]
    if not keys:
        return "the wallet holds no OpenPGP message"
    if all(_run(program, ("--list-secret-keys", key)).returncode for key in keys):
        return f"the secret key {' or '.join(keys)} of this wallet is not in your GnuPG keyring"
    return "gpg did not decrypt the wallet: passphrase refused, card absent, or message damaged"


def _find_primary_key(status: Sequence[Sequence[str]]) -> str:
    """Find the primary key's fingerprint: the second one that DECRYPTION_KEY names."""
    found = [words[2] for words in status if len(words) > 2 and words[0] == "DECRYPTION_KEY"]
    return found[0] if found else ""
