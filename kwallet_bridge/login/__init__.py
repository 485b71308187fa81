# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that a login derives from the password typed there: handed over once, then gone."""
