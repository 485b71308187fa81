# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two transcripts; only what stands in the table of differences excuses anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.conversation import OPENS, WRITES, Call, Exchange, Restart, as_qt_reads
from conformance.differences import DIFFERENCES
from conformance.excuses import Known, Place
from conformance.stage import DEFAULT_FOLDERS
from conformance.words import PAM_KEY, WALLETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.conversation import Transcript
    from conformance.differences import DeliberateDifference


@dataclass(frozen=True, slots=True)
class Difference:
    """Two answers to one call that nothing excuses."""

    index: int
    oracle: object
    subject: object


@dataclass
class Comparison:
    """What came of comparing."""

    compared: int = 0
    differences: list[Difference] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)

    def add(self, other: Comparison) -> None:
        """Count another conversation in."""
        self.compared += other.compared
        self.differences += other.differences
        for name, times in other.excused.items():
            self.excused[name] = self.excused.get(name, 0) + times


@dataclass
class Folders:
    """Which folders the oracle made by itself in this life of a wallet: it hides their names."""

    made: dict[str, set[str]] = field(
        default_factory=lambda: {wallet: set(DEFAULT_FOLDERS) for wallet in WALLETS}
    )
    implicit: dict[str, set[str]] = field(default_factory=dict)
    labels: dict[tuple[str, str | None], dict[str, str]] = field(default_factory=dict)
    keys: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)
    there: set[str] = field(default_factory=lambda: {WALLETS[0]})
    closed: set[str] = field(default_factory=set)

    def known(self, exchange: Exchange) -> Known:
        """Tell what is known about the folder that a call speaks of."""
        call = exchange.said
        if not isinstance(call, Call):
            return Known(Place.NONE, {})
        wallet, folder = _spoken_of(exchange, call)
        labels = self.labels.get((wallet, folder), {})
        keys = self.keys.get((wallet, folder), set())
        return Known(self._place(wallet, folder), labels, wallet in self.closed, keys)

    def _place(self, wallet: str, folder: str | None) -> Place:
        if folder in self.implicit.get(wallet, ()):
            return Place.IMPLICIT
        return Place.MADE if folder in self.made.get(wallet, ()) else Place.NONE

    def follow(self, exchange: Exchange) -> None:
        """Take in what the oracle answered."""
        for notice in exchange.notices:
            if notice.member == "walletClosed" and notice.signature == "s":
                self._reload(str(_first(notice.body)))
                self.closed.add(str(_first(notice.body)))
            if notice.member == "walletDeleted":
                self._forget(str(_first(notice.body)))
        if isinstance(exchange.said, Restart):
            self._restart()
        if isinstance(exchange.said, Call):
            self._follow_opening(exchange.said)
        if isinstance(exchange.said, Call) and exchange.wallet and exchange.answer:
            self._follow_call(exchange.said, exchange.wallet, _first(exchange.answer.body))

    def _follow_opening(self, call: Call) -> None:
        """Note what the stage has opened, for whomever it was asked."""
        wallet = as_qt_reads(call.args[0]) if call.args else ""
        opened = call.member in OPENS or (call.member == "pamOpen" and call.args[1] == PAM_KEY)
        if opened and wallet in WALLETS:
            self.there.add(wallet)
            self.closed.discard(wallet)

    def _restart(self) -> None:
        for wallet in WALLETS:
            self._reload(wallet)
        self.closed = self.there - {WALLETS[0]}

    def _follow_call(self, call: Call, wallet: str, value: object) -> None:
        made = self.made.setdefault(wallet, set())
        implicit = self.implicit.setdefault(wallet, set())
        folder = call.folder
        if folder is None:
            return
        self._follow_names(call, self.labels.setdefault((wallet, folder), {}), value)
        if call.is_oddly_typed:
            return  # the player took it back
        self._follow_keys(call, self.keys.setdefault((wallet, folder), set()), value)
        if call.member == "createFolder" and value is True:
            made.add(folder)
        elif call.member == "removeFolder" and value is True:
            made.discard(folder)
            implicit.discard(folder)
        elif call.member in WRITES and value == 0 and folder not in made:
            implicit.add(folder)

    def _follow_names(self, call: Call, labels: dict[str, str], value: object) -> None:
        if call.member == "removeFolder" and value is True:
            labels.clear()
        if value != 0 or len(call.args) < 4:
            return
        key = as_qt_reads(call.args[2])
        if call.member == "renameEntry":
            labels[as_qt_reads(call.args[3])] = labels.pop(key, key)
        elif call.member in WRITES or call.member == "removeEntry":
            labels.pop(key, None)

    @staticmethod
    def _follow_keys(call: Call, keys: set[str], value: object) -> None:
        if call.member == "removeFolder" and value is True:
            keys.clear()
        if call.member not in {*WRITES, "removeEntry", "renameEntry"} or value != 0:
            return
        key = as_qt_reads(call.args[2])
        if call.member in WRITES:
            keys.add(key)
            return
        keys.discard(key)
        if call.member == "renameEntry":
            keys.add(as_qt_reads(call.args[3]))

    def _reload(self, wallet: str) -> None:
        self.labels = {place: names for place, names in self.labels.items() if place[0] != wallet}
        self.made.setdefault(wallet, set()).update(self.implicit.pop(wallet, ()))

    def _forget(self, wallet: str) -> None:
        self._reload(wallet)
        self.there.discard(wallet)
        self.closed.discard(wallet)
        self.keys = {place: keys for place, keys in self.keys.items() if place[0] != wallet}
        self.made[wallet] = set(DEFAULT_FOLDERS)
        self.implicit.pop(wallet, None)


def _spoken_of(exchange: Exchange, call: Call) -> tuple[str, str | None]:
    if call.member in {"folderDoesNotExist", "keyDoesNotExist"}:
        return as_qt_reads(call.args[0]), as_qt_reads(call.args[1])
    return exchange.wallet, call.folder


def _first(body: object) -> object:
    return body[0] if isinstance(body, list) and body else None


def compare(
    oracle: Transcript,
    subject: Transcript,
    differences: Sequence[DeliberateDifference] = DIFFERENCES,
) -> Comparison:
    """Compare exchange by exchange, then the signals that belong to none."""
    result = Comparison()
    folders = Folders()
    for index, (expected, actual) in enumerate(_pairs(oracle, subject)):
        result.compared += 1
        if expected is None or actual is None:
            result.differences.append(Difference(index, expected, actual))
            break
        if expected != actual:
            met = _differences_met(differences, expected, actual, folders.known(expected))
            _judge(result, index, expected, actual, met)
        elif expected.is_unanswered:  # two that fall silent are no proof of anything
            result.differences.append(Difference(index, expected, actual))
        folders.follow(expected)
    if not result.differences and oracle.strays != subject.strays:
        result.differences.append(Difference(-1, oracle.strays, subject.strays))
    return result


def _pairs(
    oracle: Transcript, subject: Transcript
) -> Iterator[tuple[Exchange | None, Exchange | None]]:
    longest = max(len(oracle.exchanges), len(subject.exchanges))
    for index in range(longest):
        yield (
            oracle.exchanges[index] if index < len(oracle.exchanges) else None,
            subject.exchanges[index] if index < len(subject.exchanges) else None,
        )


def _judge(
    result: Comparison,
    index: int,
    expected: Exchange,
    actual: Exchange,
    met: tuple[str, ...] | None,
) -> None:
    if met is None:
        result.differences.append(Difference(index, expected, actual))
        return
    for name in met:
        result.excused[name] = result.excused.get(name, 0) + 1


def _differences_met(
    differences: Sequence[DeliberateDifference], expected: Exchange, actual: Exchange, known: Known
) -> tuple[str, ...] | None:
    """Name the fewest differences whose rewritings lead from one exchange to the other."""
    ways: list[tuple[tuple[str, ...], Exchange]] = [((), expected)]
    for each in differences:
        for names, exchange in tuple(ways):
            rewritten = each.rewrite(exchange, actual, known)
            if rewritten is not None:
                ways.append(((*names, each.name), rewritten))
    return min((names for names, exchange in ways if exchange == actual), key=len, default=None)
