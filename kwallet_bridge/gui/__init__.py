# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows; the only importer of PyQt6. Nobody imports this package but by name at run time."""
