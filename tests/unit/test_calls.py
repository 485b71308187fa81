# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import inspect
import runpy

import pytest
from support.paths import ROOT

from kwallet_bridge.wire.calls import CALLS, ERROR, SIGNALS, Call
from kwallet_bridge.wire.introspection import introspect

SCRIPT = runpy.run_path(str(ROOT / "scripts/calls_page.py"), run_name="calls_page")
READS = {"hasFolder", "hasEntry", "entryType", "folderList", "entryList", "entriesList", "mapList"}


def test_the_interface_is_complete() -> None:
    """There are 44 methods of 41 names, and 12 signals of 11 names."""
    assert (len(CALLS), len({call.member for call in CALLS})) == (44, 41)
    assert (len(SIGNALS), len({row.member for row in SIGNALS})) == (12, 11)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.member}({call.signature})")
def test_arguments_reach_the_service_by_name(call: Call) -> None:
    """Every argument of a row is a keyword of its handler, and the handler has no other."""
    parameters = inspect.signature(call.handler).parameters.values()
    keywords = {item.name for item in parameters if item.kind is item.KEYWORD_ONLY}
    required = {
        item.name
        for item in parameters
        if item.kind is item.KEYWORD_ONLY and item.default is item.empty
    }
    given = {argument.keyword for argument in call.arguments}
    assert required <= given <= keywords


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.member}({call.signature})")
def test_reads_fail_closed(call: Call) -> None:
    """A store that fails never looks like an absent or empty entry."""
    if call.member.startswith("read") or call.member in READS or "Does" in call.member:
        assert call.failed is ERROR


def test_overloads_keep_kdes_order() -> None:
    """dbus-python keeps the last overload of a name; python keyring needs it to be this one."""
    xml = introspect("/modules/kwalletd5")
    methods = [call.signature for call in CALLS if call.member == "isOpen"]
    assert methods == ["s", "i"]
    assert xml.index('name="walletClosed"') < xml.index('name="walletClosedId"')


def test_the_reference_page_is_current() -> None:
    """docs/reference/calls.md is what the table says."""
    assert SCRIPT["PAGE"].read_text(encoding="utf-8") == SCRIPT["render"]()
