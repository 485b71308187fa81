# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that never print."""

from __future__ import annotations

from _operator import _compare_digest
from typing import NoReturn


class Secret:
    """Bytes worth hiding: no repr, no pickle, no format; one way out, :meth:`reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Hold ``value``."""
        self._value = value

    @classmethod
    def from_text(cls, text: str) -> Secret:
        """Hold the UTF-8 bytes of ``text``; unpaired surrogates survive."""
        return cls(text.encode("utf-8", "surrogatepass"))

    @classmethod
    def from_file(cls, data: bytes) -> Secret:
        """Hold what a file or a pipe gives, without one line end, LF or CR LF."""
        return cls(data.removesuffix(b"\r\n" if data.endswith(b"\r\n") else b"\n"))

    def reveal(self) -> bytes:
        """Give the bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return _compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        msg = "a Secret is not serialised"
        raise TypeError(msg)
