# SPDX-License-Identifier: GPL-3.0-or-later
"""How a migration talks: to a person at a terminal, or to a program over JSON lines.

Events go to standard error, one JSON object a line; the result goes to standard output. With
``--answers`` questions are events too, and their answers are read as JSON lines from a
descriptor, so that a window can drive the command as its child.
"""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Never

from tqdm import tqdm

from kwallet_bridge.cli.inspect import open_source
from kwallet_bridge.cli.passwords import TRIES, PasswordSource
from kwallet_bridge.cli.text import say
from kwallet_bridge.errors import DecryptionError, PromptDismissedError, UsageError
from kwallet_bridge.kwl.reader import read_wallet_with_key
from kwallet_bridge.migrate.model import Kind, Place, Plan, Policy, Result, Step
from kwallet_bridge.migrate.report import describe_place, describe_plan
from kwallet_bridge.secret import Secret
from kwallet_bridge.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kwallet_bridge.kwl.files import WalletSource
    from kwallet_bridge.kwl.reader import WalletFile
    from kwallet_bridge.model import WalletName

_PROGRESS_STEPS = 100
"""Progress lines per stage at most: a reader of lines needs no more."""


_DECISIONS = {policy.value: policy for policy in Policy if policy is not Policy.ASK}


class GivenPassword(PasswordSource):
    """One password that was answered already."""

    def __init__(self, answer: Secret) -> None:
        """Give ``answer`` once and again."""
        super().__init__("")
        self._read = answer


class Dialogue:
    """Talks to a person: a bar on standard error, questions on the terminal."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Talk as the command line asks."""
        self._policy = Policy(args.on_conflict)
        self._dry_run: bool = args.dry_run
        self._passwords = PasswordSource(args.password_file)
        self._always: Policy | None = None
        self._bar: tqdm[Never] | None = None

    def open_wallet(self, source: WalletSource) -> WalletFile:
        """Read a wallet file, asking for its password if need be."""
        return open_source(source, self._passwords)

    def choose(self, paths: Sequence[Path]) -> list[Path]:
        """Take all files: a person names those wanted on the command line."""
        return list(paths)

    def note(self, text: str) -> None:
        """Tell something worth knowing."""
        say(text, error=True)

    def planned(self, plan: Plan) -> None:
        """Take a finished plan."""

    def stage(self, name: str, wallet: WalletName, total: int) -> None:
        """Show a bar for the writes; verification reads in bulk and needs none."""
        self.close()
        if name == "write":
            self._bar = tqdm(
                total=total, desc=printable(wallet), unit="entries", file=sys.stderr, disable=None
            )

    def step(self, result: Result) -> None:
        """Take a row that has ended."""
        del result
        if self._bar is not None:
            self._bar.update()

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def decide(self, row: Step) -> Policy:
        """Settle a conflict."""
        if self._policy is not Policy.ASK or self._dry_run:
            return self._policy
        if self._always is not None:
            return self._always
        answer, always = self._ask(row)
        if always:
            self._always = answer
        return answer

    def _ask(self, row: Step) -> tuple[Policy, bool]:
        words = {"s": Policy.SKIP, "r": Policy.REPLACE, "k": Policy.KEEP_BOTH}
        question = (
            f"{show_place(row.place)} holds another value. "
            "[s]kip, [r]eplace, [k]eep both; capital letter: for all? "
        )
        while True:
            answer = _ask_terminal(question)
            if answer.lower() in words:
                return words[answer.lower()], answer.isupper()


class JsonDialogue(Dialogue):
    """Talks to a program."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Read answers from ``--answers``, if given."""
        super().__init__(args)
        self._answers = _open_answers(args.answers) if args.answers else None
        self._questions = 0
        self._done = 0
        self._total = 0
        self._stage: dict[str, object] = {}

    def open_wallet(self, source: WalletSource) -> WalletFile:
        """Read a wallet file; its password is asked for by an event."""
        if self._answers is None:
            return super().open_wallet(source)
        try:
            return open_source(source, GivenPassword(Secret(b"")))
        except DecryptionError as error:
            failure = error
        number, unasked = 1, 0
        while number <= TRIES and unasked <= TRIES:
            answer = self._question(
                "need-password",
                {"wallet": source.name, "file": str(source.path), "try": number},
            )
            try:
                return _open_with(source, answer)
            except DecryptionError as error:
                failure = error
            # What nobody was asked for costs a person none of the tries.
            if answer.get("unasked") is True:
                unasked += 1
            else:
                number += 1
        raise failure

    def choose(self, paths: Sequence[Path]) -> list[Path]:
        """Ask which files are to be read; so a program need not put names on a command line."""
        answer = self._question("need-choice", {"files": [str(path) for path in paths]})
        wanted = answer.get("files")
        if not isinstance(wanted, list):
            raise UsageError("an answer to need-choice holds files")
        return [path for path in paths if str(path) in wanted]

    def note(self, text: str) -> None:
        """Tell something worth knowing."""
        _emit({"type": "message", "text": text})

    def planned(self, plan: Plan) -> None:
        """Tell a plan's counts."""
        _emit(describe_plan(plan))

    def stage(self, name: str, wallet: WalletName, total: int) -> None:
        """Tell the beginning of a stage."""
        self._stage = {"type": "progress", "stage": name, "wallet": wallet, "total": total}
        self._done, self._total = 0, total
        _emit(self._stage | {"done": 0})

    def step(self, result: Result) -> None:
        """Tell how far a stage is."""
        del result
        self._done += 1
        if self._done == self._total or self._done % max(1, self._total // _PROGRESS_STEPS) == 0:
            _emit(self._stage | {"done": self._done})

    def _ask(self, row: Step) -> tuple[Policy, bool]:
        answer = self._question("need-decision", describe_place(row.place))
        policy = _DECISIONS.get(str(answer.get("decision")))
        if policy is None:
            raise UsageError("a decision is skip, replace or keep-both")
        return policy, answer.get("always") is True

    def _question(self, kind: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        if self._answers is None:
            raise UsageError("there is nobody to ask; use --answers, or another --on-conflict")
        self._questions += 1
        _emit({"type": kind, "id": self._questions, **fields})
        line = self._answers.readline()
        try:
            answer = json.loads(line or "null")
        except ValueError as error:
            raise UsageError("an answer is one JSON object a line") from error
        if not line:
            raise PromptDismissedError("no answer was given")
        if not isinstance(answer, dict) or answer.get("id") != self._questions:
            raise UsageError("an answer names the id of its question")
        if answer.get("cancel"):
            raise PromptDismissedError("the answer was to stop")
        return answer


def make_dialogue(args: argparse.Namespace) -> Dialogue:
    """Choose how to talk."""
    return JsonDialogue(args) if args.json else Dialogue(args)


def show_place(place: Place) -> str:
    """Name a row for a person."""
    if place.kind is Kind.ITEM:
        return printable(f"{place.wallet}: item {place.label or dict(place.attributes)}")
    key = f"/{place.key}" if place.kind is Kind.ENTRY else "/"
    return printable(f"{place.wallet}: {place.folder}{key}")


def _emit(event: Mapping[str, object]) -> None:
    print(json.dumps(event), file=sys.stderr, flush=True)


def _open_with(source: WalletSource, answer: Mapping[str, object]) -> WalletFile:
    """Open a wallet with an answer to need-password: its password, or its cipher key in hex."""
    key = answer.get("key")
    if key is None:
        return open_source(source, GivenPassword(Secret.from_text(_text(answer))))
    try:
        cipher_key = Secret(bytes.fromhex(str(key)))
    except ValueError:
        raise UsageError("a key is written in hex") from None
    return read_wallet_with_key(
        source.data, name=source.name, cipher_key=cipher_key, attributes=source.attributes
    )


def _text(answer: Mapping[str, object]) -> str:
    text = answer.get("password")
    if not isinstance(text, str):
        raise UsageError("an answer to need-password holds a password")
    return text


def _open_answers(given: str) -> IO[str]:
    if given == "-":
        return sys.stdin
    try:
        return open(int(given.removeprefix("fd:")), encoding="utf-8")  # noqa: PTH123
    except (OSError, ValueError) as error:
        raise UsageError("--answers takes - or fd:N") from error


def _ask_terminal(question: str) -> str:
    try:
        with open("/dev/tty", "r+", encoding="utf-8", buffering=1) as terminal:  # noqa: PTH123
            terminal.write(question)
            return terminal.readline().strip()
    except OSError as error:
        raise UsageError("there is no terminal to ask on; use another --on-conflict") from error
