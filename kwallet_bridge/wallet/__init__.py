# SPDX-License-Identifier: GPL-3.0-or-later
"""One KWallet client, one call, one answer: the wallet semantics."""
