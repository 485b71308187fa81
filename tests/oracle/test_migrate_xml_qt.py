# SPDX-License-Identifier: GPL-3.0-or-later
"""XML exports as Qt's own writer makes them."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QBuffer, QXmlStreamWriter
from support.entries import NASTY

from kwallet_bridge.migrate.xml import read_export
from kwallet_bridge.qtstream import encode_string

# Today's writer refuses what XML forbids, and loses a byte order mark at a text's beginning.
WRITABLE = [text for text in NASTY if not set(text) & set("\0\x01\v\f\ufeff\ufffe")]


@pytest.mark.parametrize("text", WRITABLE)
def test_what_todays_qt_writes_is_read(text: str) -> None:
    """The writer that KWalletManager uses today gives what we read."""
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    writer = QXmlStreamWriter(buffer)
    writer.setAutoFormatting(True)
    writer.writeStartDocument()
    for tag, name in (("wallet", "w"), ("folder", text), ("password", text)):
        writer.writeStartElement(tag)
        writer.writeAttribute("name", name)
    writer.writeCharacters(text)
    writer.writeEndDocument()
    assert not writer.hasError()
    export = read_export(buffer.data().data(), fallback_name="x")
    ((folder, (entry,)),) = [(found.name, found.entries) for found in export.wallet.folders]
    assert (folder, entry.key, entry.type_code) == (text, text, 1)
    assert entry.value.reveal() == encode_string(text)
