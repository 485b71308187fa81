# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual page, made from what the commands declare; ``session install --system`` places it.

``docs/reference/kwallet-bridge.1`` holds it too; a test compares.
"""

from __future__ import annotations

import argparse
import inspect
import re
from typing import TYPE_CHECKING, Final

from kwallet_bridge import __version__, errors
from kwallet_bridge.cli.main import ABOUT, COMMANDS, EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, make_parser
from kwallet_bridge.session.files import RELEASE_DATE

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_NAME: Final = "kwallet-bridge.1"
PROGRAM: Final = "kwallet-bridge"
FILES: Final = (
    ("~/.config/kwalletrc", "KDE's settings, which count here too. Only Auto Allow and Auto Deny are ever written."),
    ("~/.local/share/kwalletd", "Wallet files of KDE, read by inspect and migrate, never written."),
    ("~/.local/share/keyrings", "The encrypted file that serves where there is no Secret Service provider."),
    ("~/.local/state/kwallet-bridge", "The journal of migrations, and the record of an installation for one user."),
)  # fmt: skip
ENVIRONMENT: Final = (
    ("DBUS_SESSION_BUS_ADDRESS", "The session bus."),
    ("XDG_CONFIG_HOME, XDG_CONFIG_DIRS", "Where kwalletrc is looked for."),
    ("XDG_DATA_HOME, XDG_STATE_HOME", "Where files are, if not below ~/.local."),
    ("SSH_ASKPASS", "A program that asks for a password where there is no terminal."),
)
SEE_ALSO: Final = ("kwallet-query(1)", "secret-tool(1)", "busctl(1)", "systemctl(1)")


def render() -> str:
    """Give the page's source."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    # REUSE-IgnoreStart
    yield '.\\" SPDX-License-Identifier: GPL-3.0-or-later'
    # REUSE-IgnoreEnd
    yield '.\\" Made by scripts/man_page.py from what the commands declare: change that, and run it.'
    yield f'.TH KWALLET\\-BRIDGE 1 {RELEASE_DATE} "kwallet\\-bridge {__version__}" "User Commands"'
    yield from (".SH NAME", f"kwallet\\-bridge \\- {_text(ABOUT[0].lower() + ABOUT[1:-1])}")
    yield from (".SH SYNOPSIS", f".B {_text(PROGRAM)}", ".I COMMAND", "[options]")
    yield ".SH DESCRIPTION"
    yield from _sentences(
        "Owns the names of KDE's wallet service on the session bus and answers every call of "
        "KWallet programs out of the Secret Service provider of the user: GNOME Keyring, "
        "KeePassXC, ksecretd or oo7. Moves wallet files of KDE over."
    )
    yield ".SH COMMANDS"
    for command in COMMANDS:
        yield from _describe_command(command.name, make_parser(command), command.summary)
    yield from (".SH EXIT STATUS", *_exit_codes())
    yield from (".SH FILES", *_definitions(FILES))
    yield from (".SH ENVIRONMENT", *_definitions(ENVIRONMENT))
    yield ".SH SEE ALSO"
    pages = [re.sub(r"(.*)\((.)\)", r".BR \1 (\2)", _text(page)) for page in SEE_ALSO]
    yield " ,\n".join(pages)


def _describe_command(
    name: str, parser: argparse.ArgumentParser, summary: str | None
) -> Iterator[str]:
    yield f".SS {_text(f'{PROGRAM} {name}')}"
    if summary:
        yield from _sentences(f"{summary[0].upper()}{summary[1:]}.")
    for action in parser._actions:  # noqa: SLF001  argparse lists them nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  as above
            helps = {choice.dest: choice.help for choice in action._get_subactions()}  # noqa: SLF001
            for word, sub in action.choices.items():
                yield from _describe_command(f"{name} {word}", sub, helps.get(word))
        elif action.help is not argparse.SUPPRESS and action.dest != "help":
            yield from _describe_argument(action)


def _describe_argument(action: argparse.Action) -> Iterator[str]:
    yield from (".TP", _spell(action))
    told = (action.help or "").replace("%%", "%")
    if told.partition(" ")[0].isalpha():
        told = f"{told[0].upper()}{told[1:]}"
    yield from _sentences(f"{told}.")


def _spell(action: argparse.Action) -> str:
    value = _value_of(action)
    if not action.option_strings:
        return f".I {value}"
    names = ", ".join(f"\\fB{_text(each)}\\fR" for each in action.option_strings)
    return names + (f" \\fI{value}\\fR" if action.nargs != 0 else "")


def _value_of(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        word = action.metavar
    elif action.choices is not None:
        word = "|".join(map(str, action.choices))
    else:
        word = action.dest.upper().replace("_", "-")
    repeated = {"*": f"[{word}...]", "+": f"{word}...", "?": f"[{word}]"}
    return _text(repeated.get(str(action.nargs), word))


def _exit_codes() -> Iterator[str]:
    meanings = {0: ["Everything is done, and nothing was left out."]}
    for one in vars(errors).values():
        if inspect.isclass(one) and issubclass(one, errors.BridgeError):
            told = " ".join((inspect.getdoc(one) or "").split("\n\n", maxsplit=1)[0].split())
            meanings.setdefault(one.exit_code, []).append(told.replace("``", ""))
    meanings[EXIT_INTERRUPTED] = ["Interrupted at the keyboard."]
    meanings[EXIT_BROKEN_PIPE] = ["Nobody reads the output any more."]
    return _definitions((str(code), meanings[code][0]) for code in sorted(meanings))


def _definitions(pairs: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, meaning in pairs:
        yield from (".TP", f".B {_text(term)}", *_sentences(meaning))


def _sentences(text: str) -> Iterator[str]:
    """Give each sentence a line of its own, as manual pages want it."""
    return (_text(each) for each in re.split(r"(?<=\.) +(?=[A-Z])", text) if each)


def _text(text: str) -> str:
    """Escape what has a meaning in roff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    escaped = escaped.replace("'", "\\(aq").replace("^", "\\(ha").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith((".", "\\(aq")) else escaped
