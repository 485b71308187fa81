# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallets into a store: plan, apply, verify, undo."""
