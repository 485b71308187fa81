# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared test equipment."""
