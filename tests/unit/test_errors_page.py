# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit codes: their reference page, and that each has one meaning."""

from __future__ import annotations

import runpy

from support.paths import ROOT

from kwallet_bridge import errors

SCRIPT = runpy.run_path(str(ROOT / "scripts/errors_page.py"), run_name="errors_page")
ALIKE: list[set[type[errors.BridgeError]]] = [
    {errors.StoreLockedError, errors.PromptDismissedError},
    {errors.StorePasswordError, errors.DecryptionError},
    {errors.ReadBackError, errors.VerificationError},
]
"""Errors of one meaning to whoever reads the code: locked, wrong password, not what was written."""


def test_the_page_is_the_error_tree() -> None:
    """The reference page is what the script makes of the error tree today."""
    page = ROOT / "docs/reference/errors.md"
    assert page.read_text(encoding="utf-8") == SCRIPT["render"]()


def test_a_code_has_one_meaning() -> None:
    """Two error classes with a code of their own share it only where they mean the same."""
    owners: dict[int, set[type[errors.BridgeError]]] = {}
    for one in SCRIPT["list_errors"]():
        if "exit_code" in vars(one):
            owners.setdefault(one.exit_code, set()).add(one)
    assert [classes for classes in owners.values() if len(classes) > 1] == ALIKE


def test_no_code_means_success_or_a_signal() -> None:
    """Codes lie between 1 and 125: none is success, a shell's own, or a signal's."""
    assert all(1 <= one.exit_code <= 125 for one in SCRIPT["list_errors"]())
