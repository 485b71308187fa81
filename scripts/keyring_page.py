# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference/keyring.md from the public module's docstrings; run it after a change."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge import keyring
from kwallet_bridge.keyring import blocking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PAGE = Path(__file__).parent.parent / "docs/reference/keyring.md"
HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made by scripts/keyring_page.py from the docstrings of kwallet_bridge/keyring: change those, and run it. -->
# The public module: `kwallet_bridge.keyring`

"""


def list_members(one: type) -> Iterator[tuple[str, object]]:
    """List a class's public members in the order of their definition, inherited ones first."""
    seen: dict[str, object] = {}
    for base in reversed(one.__mro__):
        if base.__module__.startswith("kwallet_bridge"):
            seen.update({k: v for k, v in vars(base).items() if not k.startswith("_")})
    for name, value in seen.items():
        if isinstance(value, property | classmethod) or inspect.isfunction(value):
            yield name, value


def signature(name: str, member: object) -> str:
    """Write a member as a line of code."""
    if isinstance(member, property):
        return f"{name}: {inspect.signature(member.fget or print).return_annotation}"
    function = member.__func__ if isinstance(member, classmethod) else member
    assert inspect.isfunction(function)  # noqa: S101  list_members gives no others
    start = "async def" if inspect.iscoroutinefunction(function) else "def"
    decorated = "@classmethod " if isinstance(member, classmethod) else ""
    text = str(inspect.signature(function)).replace("'", "")
    return f"{decorated}{start} {name}{text}"


def describe(module: ModuleType) -> Iterator[str]:
    """Give a module's part of the page."""
    yield f"## `{module.__name__}`\n\n{inspect.getdoc(module)}\n\n"
    for name in module.__all__:
        value = getattr(module, name)
        if not inspect.isclass(value):
            continue
        yield f"### `{name}`\n\n{inspect.getdoc(value)}\n\n"
        if issubclass(value, Enum):
            yield "".join(f"- `{one.name}`\n" for one in value) + "\n"
        for member, found in list_members(value):
            text = inspect.getdoc(getattr(value, member)) or ""
            yield f"#### `{signature(member, found)}`\n\n{text}\n\n"


def render() -> str:
    """Give the page's text."""
    version = ".".join(map(str, keyring.API_VERSION))
    body = "".join([*describe(keyring), *describe(blocking)])
    return f"{HEAD}Version {version} of the interface.\n\n{body}".rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
