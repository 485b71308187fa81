# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of .kwl wallet files: bytes in, objects out."""
