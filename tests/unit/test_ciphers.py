# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT

from kwallet_bridge import ciphers

KEY = bytes(range(20))
PLAIN = bytes(range(16))


@pytest.mark.parametrize(
    ("chained", "hex_bytes"),
    [(False, "1e39f4b4371445d7595a762a04018081"), (True, "1e39f4b4371445d7c8f4f1e8a4f57b34")],
)
def test_blowfish_known_answers(hex_bytes: str, *, chained: bool) -> None:
    """Blowfish gives the format page's ciphertext, and takes it back."""
    data = ciphers.blowfish_encrypt(KEY, PLAIN, chained=chained)
    assert data.hex() == hex_bytes
    assert ciphers.blowfish_decrypt(KEY, data, chained=chained) == PLAIN


def test_aes_known_answer() -> None:
    """The first block is NIST SP 800-38A's CBC-AES128 vector."""
    aes = ciphers.AesCbc(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    data = aes.encrypt_with(PLAIN, bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"))
    assert data[:16].hex() == "7649abac8119b246cee98e9b12e9197d"
    assert len(data) == 32


@given(st.binary(max_size=80))
def test_aes_survives(data: bytes) -> None:
    """Whatever is encrypted comes back, an empty secret as one whole block."""
    aes = ciphers.AesCbc(bytes(16))
    iv, sealed = aes.encrypt(data)
    assert len(sealed) == 16 * (len(data) // 16 + 1)
    assert aes.decrypt(iv, sealed) == data


@given(st.binary(max_size=50), st.binary(min_size=15, max_size=17))
def test_aes_refuses_with_its_own_error(data: bytes, iv: bytes) -> None:
    """Arbitrary input decrypts or raises PaddingError, nothing else."""
    with contextlib.suppress(ciphers.PaddingError):
        ciphers.AesCbc(bytes(16)).decrypt(iv, data)


@pytest.mark.parametrize("tail", [b"\0", b"\x11", b"\x02\x03\x03"])
def test_aes_refuses_every_wrong_padding(tail: bytes) -> None:
    """Zero, more than a block, and unequal padding bytes are refused."""
    aes = ciphers.AesCbc(bytes(16))
    sealed = aes.encrypt_with(bytes(16), bytes(16 - len(tail)) + tail)[:16]
    with pytest.raises(ciphers.PaddingError, match="padding"):
        aes.decrypt(bytes(16), sealed)


def test_hkdf_known_answer() -> None:
    """RFC 5869, test case 3: no salt, no info."""
    derived = ciphers.derive_hkdf_sha256(b"\x0b" * 22, length=42)
    assert derived.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_pbkdf2_known_answers() -> None:
    """The pages' vectors: a keyring file's key and a wallet's."""
    keyring = ciphers.derive_pbkdf2(
        "sha256", b"test", salt=bytes(range(32)), iterations=100_000, length=16
    )
    assert keyring.hex() == "4ca3ec8408c3d19503f85cfb561ad134"
    assert ciphers.hmac_sha256(keyring, b"value").hex().startswith("d9dda536f28c15e6")


def test_equality_is_told() -> None:
    """Equal means equal."""
    assert ciphers.equal(b"a", b"a")
    assert not ciphers.equal(b"a", b"b")


def run_python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    return done.stdout


def test_importing_costs_no_openssl() -> None:
    """The module loads cryptography at the first cipher, and AES does not load the AEADs."""
    out = run_python(
        "import sys; from kwallet_bridge import ciphers\n"
        "print('cryptography' in sys.modules)\n"
        "ciphers.AesCbc(bytes(16))\n"
        "print('cryptography.hazmat.primitives.ciphers.aead' in sys.modules)"
    )
    assert out.split() == ["False", "False"]


def test_a_refused_blowfish_comes_with_a_remedy() -> None:
    """Without the legacy provider the error is ours and says what to do."""
    out = run_python(
        "from kwallet_bridge import ciphers, errors\n"
        "try: ciphers.blowfish_decrypt(bytes(20), bytes(8), chained=True)\n"
        "except errors.CipherUnavailableError as error: print(error.exit_code, error)",
        CRYPTOGRAPHY_OPENSSL_NO_LEGACY="1",
    )
    assert out.startswith("37 ")
    assert "legacy provider" in out


@pytest.mark.parametrize(
    "call",
    ["AesCbc(bytes(16))", "blowfish_encrypt(bytes(20), bytes(8), chained=False)"],
)
def test_an_openssl_that_does_not_load_is_our_error(call: str) -> None:
    """Cryptography's RuntimeError for a missing provider becomes ours."""
    out = run_python(
        "import sys\n"
        "class Refusing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('cryptography'): raise RuntimeError('legacy provider failed')\n"
        "sys.meta_path.insert(0, Refusing())\n"
        "from kwallet_bridge import ciphers, errors\n"
        f"try: ciphers.{call}\n"
        "except errors.CipherUnavailableError as error: print(error)"
    )
    assert "legacy provider" in out


@given(st.lists(st.binary(max_size=50), max_size=20), st.sampled_from([16, 24, 32]))
def test_many_are_decrypted_as_each_is(values: list[bytes], size: int) -> None:
    """Values decrypted together are what each is alone, whatever their lengths."""
    cipher = ciphers.AesCbc(bytes(range(size)))
    pairs = [cipher.encrypt(value) for value in values]
    assert cipher.decrypt_all(pairs) == values
    assert [cipher.decrypt(iv, data) for iv, data in pairs] == values


def test_large_values_are_decrypted_one_by_one() -> None:
    """Beyond a megabyte the result is the same."""
    cipher = ciphers.AesCbc(bytes(16))
    values = [bytes(700_000), b"x" * 700_000, b""]
    assert cipher.decrypt_all([cipher.encrypt(value) for value in values]) == values


@pytest.mark.parametrize("damage", ["iv", "short", "empty", "padding"])
def test_one_damaged_value_spoils_the_many(damage: str) -> None:
    """Nothing is given of a batch in which one does not decrypt."""
    cipher = ciphers.AesCbc(bytes(16))
    iv, data = cipher.encrypt(b"value")
    bad = {
        "iv": (iv[:-1], data),
        "short": (iv, data[:-1]),
        "empty": (iv, b""),
        "padding": (iv[:-1] + bytes([iv[-1] ^ 0x80]), data),
    }[damage]
    with pytest.raises(ciphers.PaddingError):
        cipher.decrypt_all([(iv, data), bad])
