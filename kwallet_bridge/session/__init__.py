# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing into a desktop session, and looking after it."""
