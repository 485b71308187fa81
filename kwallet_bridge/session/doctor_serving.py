# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor's question to the daemon: which store serves, and why."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import StateError
from kwallet_bridge.session.decision import describe_kept, read_kept
from kwallet_bridge.session.findings import Finding, Status
from kwallet_bridge.statefile import state_path
from kwallet_bridge.wire.store_status import SERVING, WAITING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.wire.store_status import StoreStatus

CHECK: Final = "store"
UNDECIDED: Final = "nothing is decided yet; the provider that serves first will be kept to"


def check_serving(environ: Mapping[str, str], told: StoreStatus | None) -> Finding:
    """See which store serves; ``told`` is the daemon's word, None where none of ours runs."""
    try:
        kept = read_kept(environ)
    except StateError as error:
        path = shlex.quote(str(state_path(environ)))
        return Finding(CHECK, Status.PROBLEM, (str(error),), f"mv {path} {path}.damaged")
    if told is None:
        if kept is None:
            return Finding(CHECK, Status.NOTE, (UNDECIDED,))
        return Finding(CHECK, Status.NOTE, (describe_kept(kept).describe(), "no daemon runs"))
    return _check_daemon(told)


def _check_daemon(told: StoreStatus) -> Finding:
    lines = (told.describe(), told.problem, told.describe_pending())
    seen = tuple(line for line in lines if line)
    if told.state == WAITING:
        return Finding(CHECK, Status.WARNING, seen, "kwallet-bridge store use --help")
    if told.state != SERVING:
        restart = "systemctl --user restart kwallet-bridge.service"
        return Finding(CHECK, Status.PROBLEM, seen, restart)
    if told.pending:
        return Finding(CHECK, Status.WARNING, seen, "kwallet-bridge migrate --list")
    return Finding(CHECK, Status.WARNING if told.problem else Status.OK, seen)
