# SPDX-License-Identifier: GPL-3.0-or-later
"""The differential suite itself: it must see what differs, and nothing where nothing does."""

from __future__ import annotations

import dataclasses

from conformance.compare import compare
from conformance.conversation import Answer, Call, Exchange, Transcript, Vanish
from conformance.differences import render
from conformance.generator import converse
from conformance.runs import play
from conformance.shrink import shrink
from support.paths import ROOT

ALL_METHODS = frozenset(
    [
        "isEnabled",
        "open",
        "openAsync",
        "close",
        "sync",
        "deleteWallet",
        "isOpen",
        "users",
        "wallets",
        "folderList",
        "hasFolder",
        "createFolder",
        "removeFolder",
        "entryList",
        "readEntry",
        "readMap",
        "readPassword",
        "readEntryList",
        "entriesList",
        "readMapList",
        "mapList",
        "readPasswordList",
        "passwordList",
        "renameEntry",
        "writeEntry",
        "writeMap",
        "writePassword",
        "hasEntry",
        "entryType",
        "removeEntry",
        "disconnectApplication",
        "reconfigure",
        "folderDoesNotExist",
        "keyDoesNotExist",
        "closeAllWallets",
        "networkWallet",
        "localWallet",
    ]
)


def test_every_method_is_drawn() -> None:
    """A long conversation uses every method that cannot raise a dialog."""
    said = {step.member for step in converse("coverage", 3000).steps if isinstance(step, Call)}
    assert said >= ALL_METHODS


def test_a_seed_repeats_itself() -> None:
    """The same seed gives the same conversation."""
    assert converse("again", 500) == converse("again", 500)
    assert converse("again", 500) != converse("other", 500)


def test_two_fresh_oracles_agree() -> None:
    """Two kwalletd5 give the same transcript, so what differs elsewhere is not noise."""
    conversation = converse("oracle", 400)
    result = compare(play("kwalletd5", conversation), play("kwalletd5", conversation))
    assert result.compared >= 380
    assert result.differences == []
    assert result.excused == {}


def test_a_changed_answer_is_seen() -> None:
    """One changed value in a transcript is one difference."""
    said = Call(0, "hasEntry", "isss", (1, "f", "k", "a"))
    true = Exchange(said, (Answer("", "b", [True]),), "kdewallet")
    false = dataclasses.replace(true, events=(Answer("", "b", [False]),))
    assert len(compare(Transcript((true,)), Transcript((false,))).differences) == 1
    assert len(compare(Transcript((true, true)), Transcript((true,))).differences) == 1


def test_shrinking_keeps_only_what_matters() -> None:
    """A failure that needs two of five hundred steps shrinks to these two."""
    conversation = converse("shrink", 500)
    culprits = {conversation.steps[70], conversation.steps[411]}
    short = shrink(conversation, lambda candidate: culprits <= set(candidate.steps))
    assert set(short.steps) == culprits


def test_the_page_of_differences_is_current() -> None:
    """docs/reference/differences.md is what the table renders to."""
    page = ROOT / "docs/reference/differences.md"
    assert page.read_text(encoding="utf-8") == render()


def test_a_vanished_connection_can_speak_again() -> None:
    """A vanished connection's next call makes a new connection."""
    conversation = converse("vanish", 1)
    steps = (*conversation.steps, Vanish(0), Call(0, "wallets", ""))
    transcript = play("kwalletd5", dataclasses.replace(conversation, steps=steps))
    assert transcript.exchanges[-1].answer == Answer("", "as", [["kdewallet"]])
