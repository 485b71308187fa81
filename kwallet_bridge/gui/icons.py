# SPDX-License-Identifier: GPL-3.0-or-later
"""Icons: the theme's, else Qt's own."""

from __future__ import annotations

from importlib.resources import files

from PyQt6.QtGui import QIcon, QPixmap
from PyQt6.QtWidgets import QAbstractButton, QApplication, QStyle


def program_icon() -> QIcon:
    """Give our icon: as installed, else drawn from the package's own file."""
    icon = QIcon.fromTheme("kwallet-bridge")
    if not icon.isNull():
        return icon
    pixmap = QPixmap()
    data = files("kwallet_bridge.session").joinpath("data/kwallet-bridge.svg").read_bytes()
    # Without Qt's SVG plugin nothing can be drawn, and a null icon is what a window can bear.
    return QIcon(pixmap) if pixmap.loadFromData(data, "SVG") else QIcon()


def icon(name: str, fallback: QStyle.StandardPixmap) -> QIcon:
    """Give a themed icon by its freedesktop name."""
    themed = QIcon.fromTheme(name)
    style = QApplication.style()
    if not themed.isNull() or style is None:
        return themed
    return style.standardIcon(fallback)


def decorate(button: QAbstractButton | None, name: str) -> None:
    """Give a button of a dialog a themed icon, where the desktop has icons on such buttons."""
    hint = QStyle.StyleHint.SH_DialogButtonBox_ButtonsHaveIcons
    style = QApplication.style()
    if button is not None and style is not None and style.styleHint(hint):
        button.setIcon(QIcon.fromTheme(name))
