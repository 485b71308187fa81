# SPDX-License-Identifier: GPL-3.0-or-later
"""Client of the freedesktop Secret Service."""
