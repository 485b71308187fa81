# SPDX-License-Identifier: GPL-3.0-or-later
"""Our variants to the engine's and back; bodies without variants pass untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dbus_fast

from kwallet_bridge.bus.port import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_wire(signature: str, body: Sequence[object]) -> list[object]:
    """Make a body the engine can marshal."""
    if "v" not in signature:
        return body if isinstance(body, list) else list(body)
    return [_to_wire(value) for value in body]


def from_wire(signature: str, body: list[object]) -> list[object]:
    """Make a received body ours."""
    if "v" not in signature:
        return body
    return [_from_wire(value) for value in body]


def _to_wire(value: object) -> object:
    if isinstance(value, Variant):
        return dbus_fast.Variant(value.signature, _to_wire(value.value), verify=False)
    if isinstance(value, dict):
        return {key: _to_wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_wire(item) for item in value]
    return value


def _from_wire(value: object) -> object:
    if isinstance(value, dbus_fast.Variant):
        return Variant(value.signature, _from_wire(value.value))
    if isinstance(value, dict):
        return {key: _from_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_wire(item) for item in value]
    return value
