# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of dbus_fast: one connection, calls with deadlines, names, signals."""
