# SPDX-License-Identifier: GPL-3.0-or-later
"""The KWallet interface on the bus."""
