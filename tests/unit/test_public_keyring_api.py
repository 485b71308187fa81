# SPDX-License-Identifier: GPL-3.0-or-later
"""The public module's interface is what its version says, and its pages are true."""

from __future__ import annotations

import ast
import re
import runpy
from inspect import CO_COROUTINE
from itertools import combinations
from typing import TYPE_CHECKING, Any

from support.paths import ROOT

from kwallet_bridge import keyring
from kwallet_bridge.keyring import blocking

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    import pytest

SCRIPT = runpy.run_path(str(ROOT / "scripts/keyring_page.py"), run_name="keyring_page")
PINNED = ROOT / "tests/unit/public_keyring_api.txt"
HEAD = """\
# SPDX-License-Identifier: GPL-3.0-or-later
"""


def signatures() -> str:
    """Write every public call on a line."""
    lines = [f"version {'.'.join(map(str, keyring.API_VERSION))}"]
    for module in (keyring, blocking):
        for name in module.__all__:
            value = getattr(module, name)
            lines.append(f"{module.__name__}.{name}")
            if isinstance(value, type):
                for member, found in SCRIPT["list_members"](value):
                    lines.append(f"  {SCRIPT['signature'](member, found)}")
    return HEAD + "\n".join(lines) + "\n"


def test_the_interface_is_the_pinned_one() -> None:
    """Who changes a public call sees it here, and raises ``API_VERSION`` with the list."""
    assert signatures() == PINNED.read_text(encoding="utf-8")


def test_the_reference_is_made_of_the_docstrings() -> None:
    """The reference page is what the script makes of the module today."""
    page = ROOT / "docs/reference/keyring.md"
    assert page.read_text(encoding="utf-8") == SCRIPT["render"]()


def test_no_error_is_a_special_case_of_another() -> None:
    """Catching one error catches none of another meaning."""
    errors = [
        one
        for one in (getattr(keyring, name) for name in keyring.__all__)
        if isinstance(one, type) and issubclass(one, keyring.KeyringError)
    ]
    errors.remove(keyring.KeyringError)
    assert len(errors) == 7
    assert not any(issubclass(a, b) or issubclass(b, a) for a, b in combinations(errors, 2))


def test_the_blocking_face_has_the_same_calls() -> None:
    """Each call of the one is a call of the other."""
    for name in blocking.__all__:
        theirs = {member for member, _ in SCRIPT["list_members"](getattr(keyring, name))}
        ours = {member for member, _ in SCRIPT["list_members"](getattr(blocking, name))}
        assert ours == theirs


async def test_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its blocks, one after the other, are a program that does what the text says."""
    text = (ROOT / "docs/tutorials/keep-a-secret.md").read_text(encoding="utf-8")
    program = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    code = compile(program, "tutorial", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert code.co_flags & CO_COROUTINE
    running: Awaitable[Any] = eval(code, {})  # noqa: S307  our own text
    await running
    assert capsys.readouterr().out == "gone\n"
    assert (tmp_path / "secrets.keyring").exists()
