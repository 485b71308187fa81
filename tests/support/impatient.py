# SPDX-License-Identifier: GPL-3.0-or-later
"""The real program with a second of patience for its provider, so that silence is soon told.

SIGUSR1 and SIGUSR2 set its clock ten years ahead and back.
"""

from __future__ import annotations

import signal
import time

from kwallet_bridge.__main__ import main
from kwallet_bridge.secretservice.backend import SecretServiceBackend

PATIENCE = 1.0
TEN_YEARS = 10 * 365 * 86400.0


def _set_clock(*, ahead: float) -> None:
    real = time.time_ns
    time.time = lambda: real() / 1e9 + ahead


if __name__ == "__main__":
    defaults = SecretServiceBackend.__init__.__kwdefaults__
    assert defaults is not None
    defaults["call_timeout"] = PATIENCE
    signal.signal(signal.SIGUSR1, lambda *_: _set_clock(ahead=TEN_YEARS))
    signal.signal(signal.SIGUSR2, lambda *_: _set_clock(ahead=-TEN_YEARS))
    main()
