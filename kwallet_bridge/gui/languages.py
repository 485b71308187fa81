# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of the windows: our translations, compiled beside their sources.

``translations/*.qm`` are committed, so that an installation needs no Qt tools; a test holds them to
the ``.ts`` files, and those to the source. English has a file too: for its plurals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PyQt6.QtCore import QCoreApplication, QLocale, QTranslator

TRANSLATIONS: Final = Path(__file__).parent / "translations"
_NAME: Final = "kwallet-bridge"


def install_own(application: QCoreApplication, locale: QLocale) -> None:
    """Have our texts translated; where a language has no file, English is shown."""
    translator = QTranslator(application)
    folder = str(TRANSLATIONS)
    if translator.load(locale, _NAME, "_", folder) or translator.load(f"{_NAME}_en", folder):
        application.installTranslator(translator)
