# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine remembers of the signatures of messages, whoever sent them."""

from __future__ import annotations

from dbus_fast.signature import get_signature_tree


def forget_signatures() -> None:
    """Have the engine forget the signatures it has read; each is read again in microseconds.

    It keeps 4,096 of them. They are small and made between the parts of large messages, and one
    can hold a whole megabyte of the memory that such a message has left.
    """
    get_signature_tree.cache_clear()
