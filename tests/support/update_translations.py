# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring translations up to the source: ``python tests/support/update_translations.py``.

New texts arrive in the .ts files as unfinished, to be translated by hand (Qt Linguist, or any
editor); then run it again, which compiles them. Needs pylupdate6, which PyQt6 brings, and Qt's
lrelease (Debian: qt6-l10n-tools).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUI = ROOT / "kwallet_bridge/gui"
TRANSLATIONS = GUI / "translations"
HEADER = """\
<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
"""


def extract(place: Path) -> None:
    """Bring one .ts file up to the source, and write it in our form."""
    tool = Path(sys.executable).with_name("pylupdate6")
    sources = [str(path) for path in sorted(GUI.glob("*.py"))]
    subprocess.run(
        [str(tool), "--no-obsolete", "--ts", str(place), *sources], check=True, capture_output=True
    )
    tree = ET.parse(place)  # noqa: S314  our own file
    plurals_only = place.stem.endswith("_en")
    for context in list(tree.getroot().iter("context")):
        for message in list(context.iter("message")):
            for location in message.findall("location"):
                message.remove(location)
            if plurals_only and message.get("numerus") != "yes":
                context.remove(message)
        if context.find("message") is None:
            tree.getroot().remove(context)
    ET.indent(tree, "    ")
    text = ET.tostring(tree.getroot(), encoding="unicode")
    place.write_text(f"{HEADER}{text}\n", encoding="utf-8")


def main() -> None:
    """Extract and compile every language."""
    lrelease = shutil.which("lrelease", path="/usr/lib/qt6/bin:/usr/lib64/qt6/bin:/usr/bin")
    for place in sorted(TRANSLATIONS.glob("*.ts")):
        extract(place)
        if lrelease:
            subprocess.run([lrelease, "-silent", str(place)], check=True)


if __name__ == "__main__":
    main()
