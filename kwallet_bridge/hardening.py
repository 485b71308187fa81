# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process that can hold a secret owes its user; every one of ours is hardened here."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_DUMPABLE = 4
_PR_SET_MDWE = 65
_MDWE_REFUSE_EXEC_GAIN = 1
_MDWE_NO_INHERIT = 2


class _Glances:
    """Whether we hide, and from how many glances at us at a time we do not."""

    hidden = False
    running = 0


def harden(*, may_compile: bool = False) -> None:
    """Leave no core dump, let no other process of the user read our memory, write for us alone.

    No memory can become executable any more, where the kernel is 6.6 or later; older ones refuse
    the flag. With ``may_compile`` it can: windows load graphics drivers, which may compile. What we
    start inherits the limit on core dumps and the mask, and hardens itself for the rest.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _set_dumpable(dumpable=False)
    _Glances.hidden = True
    if not may_compile:
        ctypes.CDLL(None).prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN | _MDWE_NO_INHERIT, 0, 0, 0)
    os.umask(0o077)


@contextmanager
def visible() -> Iterator[None]:
    """Let another process of the user see which program we are, for as long as it must be.

    Who may see that may trace us too, unless the kernel's Yama forbids it: to be used for one call,
    of one who looks at who calls. Does nothing to a process that is not hardened.
    """
    if not _Glances.hidden:
        yield
        return
    _Glances.running += 1
    _set_dumpable(dumpable=True)
    try:
        yield
    finally:
        _Glances.running -= 1
        if not _Glances.running:
            _set_dumpable(dumpable=False)


def _set_dumpable(*, dumpable: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)
