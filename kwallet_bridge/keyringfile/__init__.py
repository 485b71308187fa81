# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted keyring file that libsecret's file backend and oo7 share, as a store."""
