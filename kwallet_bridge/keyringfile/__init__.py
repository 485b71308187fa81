# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted keyring file that libsecret and oo7 share."""
