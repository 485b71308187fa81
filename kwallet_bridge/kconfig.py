# SPDX-License-Identifier: GPL-3.0-or-later
"""Read KDE's configuration files the way KConfig does.

The rules, odd ones included, are those of ``src/core/kconfigini.cpp`` and ``kconfigdata.cpp`` in
KDE's kconfig 5.103, and the tests compare with its ``kreadconfig5``. Files are parsed from the
least to the most specific; junk never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwallet_bridge.kconfigtext import (
    ROOT_GROUP,
    WHITESPACE,
    encode_name,
    join_group,
    split_header,
    split_key,
    split_list,
    unescape,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INT_MIN: Final = 2**31
FALSE_WORDS: Final = (b"false", b"no", b"off", b"0")


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where an entry lies: KConfig keeps translated and system-wide values beside the plain one."""

    group: bytes
    key: bytes
    localized: bool = False
    default: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    data: bytes = b""
    immutable: bool = False
    deleted: bool = False
    expand: bool = False
    country: bool = False


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Where the parts of one cascading configuration file are, least specific first."""

    system: tuple[Path, ...]
    user: Path

    @classmethod
    def find(cls, name: str, environ: Mapping[str, str]) -> ConfigFiles:
        """Place ``name`` in the XDG configuration directories; the files need not exist."""
        dirs = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        system = [Path(each) / name for each in reversed(dirs) if each.startswith("/")]
        return cls(tuple(dict.fromkeys(system)), config_home(environ) / name)


def config_home(environ: Mapping[str, str]) -> Path:
    """Give the user's configuration directory."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/") / ".config")


class KConfig:
    """The merged content of a cascade of files."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Begin empty; ``environ`` gives the language and what ``[$e]`` values refer to."""
        self._environ = environ
        self._locale = _locale_name(environ)
        self._values: dict[_Slot, _Value] = {}
        self.immutable = False

    @classmethod
    def load(cls, name: str, environ: Mapping[str, str], *, users_own: bool = True) -> KConfig:
        """Read a file from all configuration directories; what cannot be read counts as absent.

        Without ``users_own`` it is what the user's own file is laid over.
        """
        config = cls(environ)
        files = ConfigFiles.find(name, environ)
        for path in files.system:
            config.merge(_read_bytes(path), default=True)
        if users_own:
            config.merge(_read_bytes(files.user))
        return config

    def merge(self, data: bytes, *, default: bool = False) -> None:
        """Add a more specific file; ``default`` marks one that is not the user's.

        After an immutable file nothing is added any more.
        """
        if not self.immutable:
            self.immutable = _Parser(self, self._locale, default=default).parse(data)

    def group_is_immutable(self, group: bytes) -> bool:
        """Tell whether ``[group][$i]`` was seen in an earlier file."""
        return self._values.get(_Slot(group, b""), _Value()).immutable

    def freeze_group(self, group: bytes) -> None:
        """Refuse further entries of a group."""
        self._values[_Slot(group, b"")] = _Value(immutable=True)

    def put(self, slot: _Slot, new: _Value) -> None:
        """Set an entry unless what is there forbids it."""
        old = self._values.get(slot)
        if old is None:
            if self.group_is_immutable(slot.group):
                return
            self._insert(slot, new)
            return
        if old.immutable or (slot.localized and old.country and not new.country):
            return
        if new != old:  # KConfig skips what seems unchanged, a deletion in between included
            self._insert(slot, new)
        if not slot.localized:
            self._values.pop(replace(slot, localized=True), None)
            self._values.pop(replace(slot, localized=True, default=False), None)

    def _insert(self, slot: _Slot, value: _Value) -> None:
        self._values[slot] = value
        if slot.default:
            self._values[replace(slot, default=False)] = value

    def _find(self, group: Sequence[str], key: str) -> _Value | None:
        slot = _Slot(join_group(group), encode_name(key))
        return self._values.get(replace(slot, localized=True)) or self._values.get(slot)

    def read_bytes(self, group: Sequence[str], key: str) -> bytes | None:
        """Give an entry's bytes, unexpanded; None if absent or deleted."""
        found = self._find(group, key)
        return None if found is None or found.deleted else found.data

    def read_text(self, group: Sequence[str], key: str, default: str = "") -> str:
        """Give an entry as text, variables expanded where the file says so."""
        found = self._find(group, key)
        if found is None or found.deleted:
            return default
        text = found.data.decode("utf-8", "replace")
        return expand_variables(text, self._environ) if found.expand else text

    def read_bool(self, group: Sequence[str], key: str, *, default: bool) -> bool:
        """Give a truth value; like KConfig, any word but false, no, off and 0 is true."""
        data = self.read_bytes(group, key)
        return default if data is None else data.lower() not in FALSE_WORDS

    def read_int(self, group: Sequence[str], key: str, default: int) -> int:
        """Give a number; anything else is ``default``."""
        data = self.read_bytes(group, key)
        if data is None or not re.fullmatch(rb"\s*[+-]?[0-9]{1,18}\s*", data):
            return default
        return (int(data) + INT_MIN) % (2 * INT_MIN) - INT_MIN

    def read_list(self, group: Sequence[str], key: str) -> tuple[str, ...]:
        """Give a list of texts."""
        return split_list(self.read_text(group, key))

    def list_keys(self, group: Sequence[str]) -> list[str]:
        """List the keys of a group, without those of its subgroups."""
        name = join_group(group)
        keys = {
            slot.key
            for slot, value in self._values.items()
            if slot.group == name and slot.key and not value.deleted
        }
        return sorted(key.decode("utf-8", "replace") for key in keys)

    def is_immutable(self, group: Sequence[str], key: str) -> bool:
        """Tell whether file, group or key is marked ``[$i]``."""
        found = self._find(group, key)
        marked = found is not None and found.immutable
        return self.immutable or self.group_is_immutable(join_group(group)) or marked


class _Parser:
    """One file, line by line."""

    def __init__(self, config: KConfig, locale: bytes, *, default: bool) -> None:
        self._config = config
        self._locales = {locale, locale.partition(b"_")[0]}
        if locale == b"en_US":
            self._locales.add(b"C")
        self._default = default
        self._group = ROOT_GROUP
        self._file_immutable = False
        self._group_immutable = False
        self._skip = False
        self._frozen: list[bytes] = []

    def parse(self, data: bytes) -> bool:
        """Merge the file into the configuration; tells whether the file is immutable."""
        for raw in data.replace(b"\r", b"").split(b"\n"):
            line = raw.strip(WHITESPACE)
            if line.startswith(b"["):
                self._enter_group(line)
            elif line and not line.startswith(b"#") and not self._skip:
                self._add_entry(line)
        for group in self._frozen:
            self._config.freeze_group(group)
        return self._file_immutable

    def _enter_group(self, line: bytes) -> None:
        self._group_immutable = self._file_immutable
        header = split_header(line)
        if header is None:
            return
        self._group = header.group
        if header.immutable and not header.group:
            self._file_immutable = True
        elif header.immutable:
            self._group_immutable = True
        self._skip = self._config.group_is_immutable(self._group) and not self._default
        if self._group_immutable and not self._skip:
            self._frozen.append(self._group)

    def _add_entry(self, line: bytes) -> None:
        text, equals, value = line.partition(b"=")
        entry = split_key(text.strip(WHITESPACE) if equals else text)
        if entry is None or not entry.name:
            return
        immutable = self._group_immutable or b"i" in entry.options
        if entry.deleted:
            slot = _Slot(self._group, unescape(entry.name), default=False)
            self._config.put(slot, _Value(immutable=immutable, deleted=True))
            return
        if not equals or (entry.locale and entry.locale not in self._locales):
            return
        # KConfig unescapes keys twice; names it wrote itself survive that.
        slot = _Slot(
            self._group, unescape(unescape(entry.name)), entry.locale is not None, self._default
        )
        self._config.put(
            slot,
            _Value(
                unescape(value.strip(WHITESPACE)),
                immutable=immutable,
                expand=b"e" in entry.options,
                country=b"_" in (entry.locale or b""),
            ),
        )


def expand_variables(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}``; ``$$`` is a dollar sign, unknown names are empty."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["braced"] or match["bare"] or ""
        return environ.get(name) or _standard_dirs(environ).get(name, "")

    return re.sub(
        r"(?s)\$(?=.)(?:(?P<dollar>\$)|\{(?P<braced>[^}]*)\}?|(?P<bare>\w*))", value, text
    )


def _standard_dirs(environ: Mapping[str, str]) -> Mapping[str, str]:
    home = Path(environ.get("HOME") or "/")
    return {
        "QT_DATA_HOME": environ.get("XDG_DATA_HOME") or str(home / ".local/share"),
        "QT_CONFIG_HOME": str(config_home(environ)),
        "QT_CACHE_HOME": environ.get("XDG_CACHE_HOME") or str(home / ".cache"),
    }


def _locale_name(environ: Mapping[str, str]) -> bytes:
    for variable in ("LC_ALL", "LC_NUMERIC", "LANG"):
        if value := environ.get(variable):
            name = re.split(r"[.@]", value)[0]
            return b"C" if name in {"", "POSIX"} else encode_name(name)
    return b"C"


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
