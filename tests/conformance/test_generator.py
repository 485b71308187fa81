# SPDX-License-Identifier: GPL-3.0-or-later
"""The differential suite itself: it must see what differs, and nothing where nothing does."""

from __future__ import annotations

import ast
import dataclasses

import pytest
from conformance.compare import compare
from conformance.conversation import Answer, Call, Exchange, Restart, Transcript, Vanish
from conformance.differences import DIFFERENCES, render
from conformance.excuses import never
from conformance.generator import converse, split_seeds
from conformance.meetings import MEETINGS
from conformance.runs import CONVERSATION_SIZE, play
from conformance.shrink import shrink
from conformance.subjects import SUBJECTS
from support.paths import ROOT

from kwallet_bridge.wire.calls import CALLS

# What no conversation can hold, since kwalletd5 raises a dialog for it, and where it is compared.
DIRECTED = {
    ("changePassword", "sxs"): "test_passwords_are_the_providers",
}
SEEDS = ("coverage", "chromium", "kmail", "plasma")


def _drawn() -> set[tuple[str, str]]:
    """Tell which methods and overloads are said as they must be, over some seeds."""
    return {
        (step.member, step.signature)
        for seed in SEEDS
        for step in converse(seed, 1000).steps
        if isinstance(step, Call) and not step.path and step.interface is None
    }


def _tests_of(module: str) -> set[str]:
    """Name the test functions of a module beside this one."""
    path = ROOT / "tests/conformance" / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_overload_is_drawn_or_compared_by_a_test_of_its_own() -> None:
    """Each row of the interface is said by the generator, or in a named test; none in neither."""
    rows = {(row.member, row.signature) for row in CALLS}
    assert rows - _drawn() == set(DIRECTED)
    assert set(DIRECTED.values()) <= _tests_of("test_differences")


def test_every_difference_is_met() -> None:
    """Each row of the table has a conversation or a test that meets it."""
    told = {row.name for row in DIFFERENCES if row.rewrite is not never}
    assert told == set(MEETINGS)
    tests = {f"test_{row.name.replace('-', '_')}" for row in DIFFERENCES if row.name not in told}
    assert tests <= _tests_of("test_differences")


def test_a_seed_repeats_itself() -> None:
    """The same seed gives the same conversation."""
    assert converse("again", 500) == converse("again", 500)
    assert converse("again", 500) != converse("other", 500)


@pytest.mark.parametrize(
    ("subject", "seed"),
    [
        *((name, "plasma") for name in SUBJECTS),
        *((name, "kmail") for name in ("bridge", "bridge-file")),
    ],
)
def test_the_provider_is_restarted(subject: str, seed: str) -> None:
    """The fixed seeds restart what keeps the entries, wherever they are played."""
    conversations = [
        converse(part, length, SUBJECTS[subject].profile)
        for part, length in split_seeds(seed, 1000, CONVERSATION_SIZE)
    ]
    steps = [step for each in conversations for step in each.steps]
    restarts = [step for step in steps if isinstance(step, Restart)]
    assert restarts
    assert {step.told for step in restarts} == {SUBJECTS[subject].profile.told}


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


def test_no_row_excuses_a_wrong_answer() -> None:
    """Each row is met in its conversation, and any change of an excused answer is a difference."""
    steps = tuple(step for steps in MEETINGS.values() for step in steps)
    conversation = dataclasses.replace(converse("meetings", 1), steps=steps)
    oracle, subject = play("kwalletd5", conversation), play("bridge-file", conversation)
    result = compare(oracle, subject)
    assert result.differences == []
    assert set(result.excused) == set(MEETINGS)
    for index, exchange in enumerate(subject.exchanges):
        if exchange == oracle.exchanges[index]:
            continue
        for number in range(len(exchange.events)):
            changed = _change(subject, index, number)
            assert [each.index for each in compare(oracle, changed).differences] == [index]


def _change(transcript: Transcript, index: int, number: int) -> Transcript:
    """Make one event of an exchange another."""
    exchanges = list(transcript.exchanges)
    events = list(exchanges[index].events)
    events[number] = dataclasses.replace(events[number], body=("something else",))
    exchanges[index] = dataclasses.replace(exchanges[index], events=tuple(events))
    return Transcript(tuple(exchanges), transcript.strays)


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
