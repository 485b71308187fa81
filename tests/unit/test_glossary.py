# SPDX-License-Identifier: GPL-3.0-or-later
"""Public names of the package use no word that the glossary forbids in them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FORBIDDEN = frozenset({"database", "row", "session", "vault"})
_DESKTOP = ("session", "cli.session")
"""The packages and modules whose session is the desktop session of one user."""

_ALLOWED = {
    # Lines of a table in the code.
    "secretservice.quirks.ROWS",
    # The standard word for the key of an agreement.
    "secretservice.dh.derive_session_key",
    # The desktop session.
    "errors.SessionError",
    # Names that the Secret Service's specification gives.
    "secretservice.client.ServiceClient.close_session",
    "secretservice.client.ServiceClient.open_session",
    "secretservice.names.NO_SESSION",
    "secretservice.names.SESSION",
    "secretservice.names.SESSION_ALIAS",
    "secretservice.names.SESSION_COLLECTION",
    # Members of Provider: whose session it is stands before the dot.
    "secretservice.provider.Provider.ensure_session",
    "secretservice.provider.Provider.renew_session",
    "secretservice.provider.Provider.session",
}


def defined(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Give what a module or class defines: a name, and the body of a class."""
    for statement in body:
        match statement:
            case ast.ClassDef(name=name, body=inner):
                yield name, inner
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, []
                yield from ((one, []) for one in kept(statement))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, []
            case ast.Assign(targets=targets):
                yield from ((one.id, []) for one in targets if isinstance(one, ast.Name))
            case ast.If(body=inner, orelse=other):
                yield from defined([*inner, *other])


def kept(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Give the attributes that a constructor sets on its object."""
    if function.name != "__init__":
        return
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def public(prefix: str, body: list[ast.stmt]) -> Iterator[str]:
    """Give the dotted public names within a module or class."""
    for name, inner in defined(body):
        if not name.startswith("_"):
            yield f"{prefix}.{name}"
            yield from public(f"{prefix}.{name}", inner)


def names() -> Iterator[str]:
    """Give the dotted public names of the package, modules first."""
    root = ROOT / "kwallet_bridge"
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        yield module
        yield from public(module, ast.parse(path.read_text(encoding="utf-8")).body)


def faults(name: str) -> frozenset[str]:
    """Tell which forbidden words a dotted name ends in, apart from those it says in full."""
    last = name.rpartition(".")[2]
    words = [word.lower() for word in _WORD.findall(last)]
    plain = {word.removesuffix("s") for word in words} & _FORBIDDEN
    belongs = any(name == place or name.startswith(f"{place}.") for place in _DESKTOP)
    if belongs or "provider session" in " ".join(words):
        plain -= {"session"}
    return frozenset(plain)


def test_public_names_use_no_forbidden_word() -> None:
    """One word, one meaning: an item read, a step planned and a hold kept are no rows."""
    seen = set(names())
    assert len(seen) > 1_000
    assert {name: sorted(faults(name)) for name in seen if faults(name)}.keys() == _ALLOWED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("store.rows", {"row"}),
        ("store.rows.Row", {"row"}),
        ("gui.rows.RowList", {"row"}),
        ("migrate.session", {"session"}),
        ("wallet.state.OpenWallet.end_sessions", {"session"}),
        ("secretservice.client.SessionLostError", {"session"}),
        ("secretservice.provider_session.ProviderSession", set()),
        ("session.files.session_files", set()),
        ("gui.access.Arrows", set()),
        ("store.port.DATABASE", {"database"}),
    ],
)
def test_a_forbidden_word_is_seen_in_a_name(name: str, expected: set[str]) -> None:
    """Words count as words, in each way of writing, and only where they stand alone."""
    assert faults(name) == expected
