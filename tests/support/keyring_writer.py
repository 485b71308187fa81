# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that does one save and says how it went; made to be killed in the middle of it.

``keyring_writer.py PATH KEY``: reads the file, says "ready", and saves when its standard input
has a line: adds the entry KEY. Then it says "done" or the name of our error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kwallet_bridge.errors import BridgeError
from kwallet_bridge.keyringfile import box
from kwallet_bridge.keyringfile.changes import put_item
from support.keyrings import entry_item, quick_key


def main(path: Path, name: str) -> None:
    """Do one save."""
    keyring, stamp = box._read(path)
    change = put_item(entry_item("killed", name, b"value"), replaces=True)
    change(keyring.copy(), quick_key())  # whatever is loaded at first use, is loaded
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        box._commit(path, keyring, stamp, quick_key(), [change])
    except BridgeError as error:
        sys.stdout.write(type(error).__name__ + "\n")
    else:
        sys.stdout.write("done\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
