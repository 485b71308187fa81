# SPDX-License-Identifier: GPL-3.0-or-later
"""One application object, its language, and which window it shows."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QLibraryInfo, QLocale, QTranslator
from PyQt6.QtWidgets import QApplication

from kwallet_bridge import __version__
from kwallet_bridge.gui.access import AccessDialog
from kwallet_bridge.gui.icons import program_icon
from kwallet_bridge.gui.languages import install_own
from kwallet_bridge.gui.password import PasswordWindow

if TYPE_CHECKING:
    from kwallet_bridge.question import PasswordQuestion, Question

APP_ID: Final = "org.kwallet_bridge.bridge"
_WINDOWS: Final = {
    "status": ("kwallet_bridge.gui.status", "StatusWindow"),
    "assistant": ("kwallet_bridge.gui.wizard", "MigrationAssistant"),
}


def make_application() -> QApplication:
    """Make the application object; colours and style are the platform's."""
    # A fixed name: Qt would read options of its own out of our command line.
    application = QApplication(["kwallet-bridge"])
    application.setApplicationName("kwallet-bridge")
    application.setApplicationVersion(__version__)
    application.setApplicationDisplayName("KWallet Bridge")
    application.setDesktopFileName(APP_ID)
    application.setWindowIcon(program_icon())
    speak(application, QLocale())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return application


def speak(application: QApplication, locale: QLocale) -> None:
    """Install Qt's translations and ours; where we have none, English is shown."""
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(locale, "qtbase", "_", folder):
        application.installTranslator(translator)
    install_own(application, locale)


def run_access(question: Question) -> int:
    """Ask one question; the answer goes to standard output."""
    application = make_application()
    dialog = AccessDialog(question, answers=sys.stdout)
    dialog.withdraw_at_end_of(sys.stdin.fileno())
    dialog.show()
    return application.exec()


def run_password(question: PasswordQuestion) -> int:
    """Ask for one password; the answer goes to standard output."""
    application = make_application()
    window = PasswordWindow(question, answers=sys.stdout)
    window.withdraw_at_end_of(sys.stdin.fileno())
    window.show()
    return application.exec()


def run_window(name: str) -> int:
    """Show a window until it is closed."""
    application = make_application()
    module, window = _WINDOWS[name]
    shown = getattr(import_module(module), window)()
    shown.show()
    return application.exec()
