# SPDX-License-Identifier: GPL-3.0-or-later
"""What the memory backend holds, and how providers' quirks change it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kwallet_bridge.secret import Secret
from kwallet_bridge.store.port import ItemSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.store.port import ItemId, NewItem, Quirks

_LINE_ESCAPE = re.compile(rb"\\([snrt\\])|\\\Z")
_MEANT = {b"s": b" ", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


@dataclass(slots=True)
class Item:
    """One item; ``saved`` is what a restart gives back of its attributes."""

    label: str
    attributes: dict[str, str]
    secret: ItemSecret
    created: int
    modified: int
    serial: int
    locked: bool = False
    saved: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "Item(...)"


@dataclass(slots=True)
class Box:
    """One collection; ``doomed`` are items that a restart takes away."""

    label: str
    file: str
    locked: bool = False
    items: dict[ItemId, Item] = field(default_factory=dict)
    doomed: set[ItemId] = field(default_factory=set)

    def __repr__(self) -> str:
        return "Box(...)"


def within(wanted: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    """Tell whether attributes have at least the wanted ones."""
    return wanted.items() <= attributes.items()


def replaced(box: Box, attributes: Mapping[str, str], *, exact: bool) -> ItemId | None:
    """Choose the item that a replacing write overwrites: of several the newest."""
    hits = [
        (held.modified, held.serial, item)
        for item, held in box.items.items()
        if (attributes == held.attributes if exact else within(attributes, held.attributes))
    ]
    return max(hits)[2] if hits else None


def has_schemaless(box: Box, attributes: Mapping[str, str]) -> bool:
    """Tell whether a native item without schema holds this folder and key."""
    wanted = {name: attributes.get(name, "") for name in ("server", "user")}
    return any(
        "xdg:schema" not in held.attributes and within(wanted, held.attributes)
        for held in box.items.values()
    )


def shown(held: Item, quirks: Quirks) -> ItemSecret:
    """Change what is read as the quirks say."""
    secret = held.secret
    if quirks.rewrites_text and secret.content_type == "text/plain":
        text = secret.value.reveal().decode(errors="replace").partition("\0")[0]
        secret = ItemSecret(Secret(text.replace("{TITLE}", held.label).encode()))
    if not quirks.keeps_content_type:
        secret = replace(secret, content_type="text/plain")
    return secret


def with_value(item: NewItem, value: bytes) -> NewItem:
    """Give an item another secret."""
    return replace(item, secret=ItemSecret(Secret(value), item.secret.content_type))


def read_line(value: bytes) -> bytes:
    """Read text again that was a key file's line, as gnome-keyring does without a password.

    What follows a line feed is gone; the real program may refuse its whole file.
    """
    try:
        value.decode()
    except UnicodeDecodeError:
        return value
    if b"\0" in value:
        return value
    line = value.partition(b"\n")[0].removesuffix(b"\r").lstrip(b" \t\f\r")
    return _LINE_ESCAPE.sub(lambda found: _MEANT.get(found[1] or b"", b""), line)


def rewrite_map(value: bytes) -> bytes:
    """Rewrite a map as ksecretd does."""
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = {}
    pairs = parsed.items() if isinstance(parsed, dict) else ()
    texts = {key: text if isinstance(text, str) else "" for key, text in sorted(pairs)}
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
