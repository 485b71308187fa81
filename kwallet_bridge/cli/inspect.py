# SPDX-License-Identifier: GPL-3.0-or-later
"""``kwallet-bridge inspect``: what a wallet file holds, values only where asked for."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.cli.passwords import (
    PasswordSource,
    Prompt,
    add_password_arguments,
    try_passwords,
)
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import BridgeError, DecryptionError, KwlError, PartialError
from kwallet_bridge.kwl.describe import describe_folders, describe_value, type_name
from kwallet_bridge.kwl.files import WalletSource, read_source
from kwallet_bridge.kwl.folders import list_wallet_folders
from kwallet_bridge.kwl.gpg import decrypt_with_gpg
from kwallet_bridge.kwl.header import Header, read_header
from kwallet_bridge.kwl.reader import WalletFile, read_gpg_wallet, read_wallet
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kwallet_bridge.model import Wallet, WalletEntry

_SALT_HINT = "; the salt file is newer than the wallet, so it may not be the wallet's own"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE.kwl", help="the wallet file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--reveal", action="store_true", help="show the values, passwords too")
    add_password_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Show the wallet; exit code 3 says that something in it needs a person's eye."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        source = read_source(args.file, salt_folders=list_wallet_folders())
        read = open_source(source, PasswordSource(args.password_file))
    except BridgeError as error:
        if not args.json:
            raise
        print(json.dumps(_describe_refusal(error)))
        return error.exit_code
    if args.json:
        print(json.dumps(_describe(source, read, reveal=args.reveal), indent=1))
    else:
        say(*_list_lines(source, read, reveal=args.reveal))
    return PartialError.exit_code if read.wallet.warnings else 0


def open_source(source: WalletSource, passwords: PasswordSource) -> WalletFile:
    """Read a wallet, asking for its password if it has one; no defect waits for the answer.

    Raises:
        KwlError: The wallet cannot be read.
        BridgeError: No password can be had, or OpenSSL refuses Blowfish.
    """
    if not read_header(source.data).needs_password:
        return read_gpg_wallet(
            source.data,
            name=source.name,
            decrypt=decrypt_with_gpg,
            attributes=source.attributes,
        )
    try:
        return try_passwords(
            lambda password: read_wallet(
                source.data,
                name=source.name,
                password=password,
                salt=source.salt,
                attributes=source.attributes,
            ),
            prompt=Prompt("Password for wallet", source.name),
            source=passwords,
        )
    except DecryptionError as error:
        if source.salt_is_newer:
            raise DecryptionError(f"{error}{_SALT_HINT}", offset=error.offset) from error
        raise


def _describe_refusal(error: BridgeError) -> dict[str, object]:
    if isinstance(error, KwlError):
        return {"error": error.kind, "message": str(error), "offset": error.offset}
    words = re.findall("[A-Z][a-z]+", type(error).__name__.removesuffix("Error"))
    return {"error": "-".join(words).lower(), "message": str(error)}


def _describe(source: WalletSource, read: WalletFile, *, reveal: bool) -> dict[str, object]:
    described: dict[str, object] = {
        "file": str(source.path),
        "wallet_name": read.wallet.name,
        "format": read.header.format.title,
        "header": _describe_header(read.header),
        "profile": read.profile.value if read.profile else None,
        "gpg_key_id": read.gpg_key or None,
        "warnings": list(read.wallet.warnings),
        "folders": describe_folders(read.wallet.folders, reveal=reveal),
    }
    return {**described, "items": _describe_items(read.wallet)} if reveal else described


def _describe_header(header: Header) -> dict[str, int]:
    major, minor = header.version
    return {"major": major, "minor": minor, "cipher": header.cipher, "hash": header.hash}


def _describe_items(wallet: Wallet) -> list[dict[str, object]]:
    return [
        {
            "folder": folder,
            "key": key,
            "attributes": dict(item.attributes),
            "content_type": item.content_type,
            "created": item.created,
            "modified": item.modified,
        }
        for (folder, key), item in wallet.service_items.items()
    ]


def _list_lines(source: WalletSource, read: WalletFile, *, reveal: bool) -> Iterator[str]:
    entries = sum(len(folder.entries) for folder in read.wallet.folders)
    profile = f", {read.profile.value} byte order" if read.profile else ""
    yield f"wallet  {printable(read.wallet.name)}"
    yield f"file    {printable(str(source.path))}"
    yield f"format  {'.'.join(map(str, read.header.version))} {read.header.format.title}{profile}"
    if read.gpg_key:
        yield f"key     {printable(read.gpg_key)}"
    yield f"holds   {len(read.wallet.folders)} folders, {entries} entries"
    for warning in read.wallet.warnings:
        yield f"warning {warning}"
    for folder in read.wallet.folders:
        yield ""
        yield f"[{printable(folder.name)}]"
        for entry in folder.entries:
            yield _describe_line(entry)
            if reveal:
                yield from _list_value_lines(entry)


def _describe_line(entry: WalletEntry) -> str:
    kind = type_name(entry.type_code)
    kind = f"unknown type {entry.type_code}" if kind == "unknown" else kind
    return f"  {printable(entry.key)}  ({kind}{', malformed' if entry.malformed else ''})"


def _list_value_lines(entry: WalletEntry) -> Iterator[str]:
    described = describe_value(entry)
    value = described.get("value")
    if "value_b64" in described:
        yield f"    base64 {described['value_b64']}"
    elif isinstance(value, dict):
        for name, text in value.items():
            yield f"    {printable(name)} = {_show(text)}"
    else:
        yield f"    {_show(None if value is None else str(value))}"


def _show(text: str | None) -> str:
    return "(null)" if text is None else printable(text)
