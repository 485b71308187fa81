# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallets, folders and entries on top of collections and items."""
