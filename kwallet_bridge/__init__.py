# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the KWallet D-Bus interface from the user's Secret Service provider."""

__version__ = "0.1.0"
