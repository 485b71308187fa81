# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import hashlib
import random
import sys
from typing import TYPE_CHECKING

import pytest

from kwallet_bridge.kwl import sha1
from kwallet_bridge.kwl.formats import Profile
from kwallet_bridge.kwl.kdf import derive_pbkdf2_key, derive_sha1_key
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = {
    b"abc": (
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "9006c21416fb53f6804f6e39b4af9d4c4f3d516e",
    ),
    b"": (
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "1ef84498ecf608147d1332b9cfd7be33a318f5dc",
    ),
    b"a" * 55: (
        "95e1bd51a218fc017dc138e5b214c6240d0c8ccb",
        "f4e2d47dfa9766dce2936336e618924ef631430b",
    ),
}
DIGITS = b"0123456789abcdef"
KEYS = {
    b"": (
        "a8b7261a9a88711d29925652655cbd0624a590cc",
        "e6a93e8bb9bb9cc588750a88a862a701382fbb58",
    ),
    DIGITS + b"g": (
        "1cbe4637e96075971a6374d60ef8b28d58266a16090635f201ce3eaa4935e25dbab744479be13d01",
        "62db592469380db95b6470ab7d28b6ad860d0d6e046fd681fa5e6dbd80a8f87a8a8e75fab5731171",
    ),
    DIGITS * 6 + DIGITS[:7]: (
        "1cbe4637e96075971a6374d60ef8" * 3 + "9b41f4f124cc36510754b4b21d49",
        "62db592469380db95b6470ab7d28" * 3 + "d986428df13b0413974d3bd49cbd",
    ),
}
PROFILES = (Profile.KDE4, Profile.KF5)


@pytest.fixture(params=["native", "slow"])
def _compression(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "slow":
        monkeypatch.setattr(sha1, "_native_compress", lambda: None)


@pytest.fixture
def _fresh_library() -> Iterator[None]:
    sha1._native_compress.cache_clear()
    yield
    sha1._native_compress.cache_clear()


@pytest.mark.usefixtures("_compression")
@pytest.mark.parametrize("message", KNOWN, ids=len)
def test_known_answers(message: bytes) -> None:
    """Both profiles digest as the format page says, padding bug included."""
    assert tuple(sha1.kde_sha1(message, profile).hex() for profile in PROFILES) == KNOWN[message]


@pytest.mark.parametrize("size", [0, 54, 55, 56, 63, 64, 119, 16383, 16384, 16385, 40000])
@pytest.mark.parametrize("profile", PROFILES)
def test_both_compressions_agree(
    size: int, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libcrypto's function and ours give the same digest, over chunk borders too."""
    message = random.Random(size).randbytes(size)
    fast = sha1.kde_sha1(memoryview(message), profile)
    monkeypatch.setattr(sha1, "_native_compress", lambda: None)
    assert sha1.kde_sha1(message, profile) == fast


def test_the_slow_compression_is_sha1() -> None:
    """With ordinary padding the compression function gives hashlib's digest."""
    message = random.Random(1).randbytes(1000)
    expected = hashlib.sha1(message, usedforsecurity=False).digest()
    assert sha1.compress_slowly(sha1._padded(message)) == expected


@pytest.mark.usefixtures("_fresh_library")
def test_libcrypto_is_found_here() -> None:
    """On the machines that test this the fast way is really taken."""
    assert sha1._native_compress() is not None


@pytest.mark.usefixtures("_fresh_library")
def test_a_library_without_the_function_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A libcrypto that lacks the function costs speed, not the wallet."""

    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert sha1._native_compress() is None
    assert sha1.kde_sha1(b"abc", Profile.KF5).hex() == KNOWN[b"abc"][1]


@pytest.mark.usefixtures("_fresh_library")
def test_a_python_without_ctypes_reads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ctypes, no speed, same digest."""
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert sha1._native_compress() is None
    assert sha1.kde_sha1(b"abc", Profile.KF5).hex() == KNOWN[b"abc"][1]


@pytest.mark.usefixtures("_fresh_library")
def test_a_library_that_answers_wrongly_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A libcrypto of another layout is noticed by its known answer."""
    monkeypatch.setattr(sha1, "_ABC", bytes(20))
    assert sha1._native_compress() is None


@pytest.mark.parametrize("password", KEYS, ids=len)
def test_keys_of_the_old_scheme(password: bytes) -> None:
    """A password of each tested length gives KDE's key in both profiles."""
    keys = tuple(derive_sha1_key(Secret(password), of).reveal().hex() for of in PROFILES)
    assert keys == KEYS[password]


@pytest.mark.parametrize(("length", "size"), [(16, 20), (32, 40), (33, 56), (48, 56), (49, 56)])
def test_key_sizes_of_the_old_scheme(length: int, size: int) -> None:
    """The key grows with the password, in three steps."""
    assert len(derive_sha1_key(Secret(b"x" * length), Profile.KDE4)) == size


def test_a_key_of_the_new_scheme() -> None:
    """PBKDF2 gives the format page's key."""
    key = derive_pbkdf2_key(Secret(b"password"), bytes(range(56)))
    assert key.reveal().hex() == (
        "e2dd2696c0b93613b92f199d8b045368dfc7706fee43f2d5e6642fbd40192e7d"
        "aecb079f9679a502b18576d7c52b3c3189a41f4417d6f3ee"
    )
