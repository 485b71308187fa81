# SPDX-License-Identifier: GPL-3.0-or-later
"""Introspection XML, made from the table of calls, equal to what KDE's daemon answers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from kwallet_bridge.wire.calls import CALLS, INTERFACE, SIGNALS
from kwallet_bridge.wire.generations import PATHS

if TYPE_CHECKING:
    from kwallet_bridge.wire.calls import Argument, Call, DeclaredSignal

DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    '"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PEER = "org.freedesktop.DBus.Peer"

_Method = tuple[str, tuple[tuple[str, str, str], ...]]
_STANDARD: dict[str, tuple[_Method, ...]] = {
    PROPERTIES: (
        (
            "Get",
            (("s", "interface_name", "in"), ("s", "property_name", "in"), ("v", "value", "out")),
        ),
        (
            "Set",
            (("s", "interface_name", "in"), ("s", "property_name", "in"), ("v", "value", "in")),
        ),
        ("GetAll", (("s", "interface_name", "in"), ("a{sv}", "values", "out"))),
    ),
    INTROSPECTABLE: (("Introspect", (("s", "xml_data", "out"),)),),
    PEER: (("Ping", ()), ("GetMachineId", (("s", "machine_uuid", "out"),))),
}


@cache
def children(path: str) -> tuple[str, ...]:
    """Name the nodes directly below a path."""
    prefix = path if path.endswith("/") else path + "/"
    below = (name.removeprefix(prefix) for name in PATHS if name.startswith(prefix))
    return tuple(dict.fromkeys(name.partition("/")[0] for name in below))


@cache
def introspect(path: str) -> str:
    """Give the XML of one of our objects, or of a node above them."""
    node = ET.Element("node")
    names: tuple[str, ...] = (INTROSPECTABLE, PEER)
    if path in PATHS:
        node.append(_kwallet())
        names = (PROPERTIES, *names)
    for name in names:
        interface = ET.SubElement(node, "interface", name=name)
        for member, arguments in _STANDARD[name]:
            method = ET.SubElement(interface, "method", name=member)
            for kind, argument, direction in arguments:
                ET.SubElement(method, "arg", name=argument, type=kind, direction=direction)
    for child in children(path):
        ET.SubElement(node, "node", name=child)
    ET.indent(node)
    return DOCTYPE + ET.tostring(node, encoding="unicode") + "\n"


def _kwallet() -> ET.Element:
    interface = ET.Element("interface", name=INTERFACE)
    for row in SIGNALS:
        signal = ET.SubElement(interface, "signal", name=row.member)
        for argument in row.arguments:
            _add_argument(signal, argument, "out")
        _annotate(signal, row)
    for call in CALLS:
        method = ET.SubElement(interface, "method", name=call.member)
        if call.result:
            ET.SubElement(method, "arg", type=call.result, direction="out")
        for argument in call.arguments:
            _add_argument(method, argument, "in")
        _annotate(method, call)
    return interface


def _add_argument(parent: ET.Element, argument: Argument, direction: str) -> None:
    element = ET.SubElement(parent, "arg")
    if argument.name:
        element.set("name", argument.name)
    element.set("type", argument.type)
    element.set("direction", direction)


def _annotate(parent: ET.Element, row: Call | DeclaredSignal) -> None:
    for name, value in row.annotations.items():
        ET.SubElement(parent, "annotation", name=name, value=value)
