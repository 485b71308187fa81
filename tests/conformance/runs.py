# SPDX-License-Identifier: GPL-3.0-or-later
"""Play seeded conversations on an oracle and a subject, compare, and shrink what fails."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance.compare import Comparison, compare
from conformance.generator import converse, split_seeds
from conformance.player import Player
from conformance.shrink import shrink
from conformance.subjects import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.conversation import Conversation, Transcript

CONVERSATION_SIZE = 600
SHRINKING_SECONDS = 120.0


@dataclass
class Run:
    """The figures of a run."""

    oracle: str
    subject: str
    seeds: list[str] = field(default_factory=list)
    seconds: float = 0.0
    comparison: Comparison = field(default_factory=Comparison)
    failing: list[Conversation] = field(default_factory=list)

    def __str__(self) -> str:
        met = ", ".join(f"{name} x{n}" for name, n in sorted(self.comparison.excused.items()))
        # Here too, for one that does not happen again when it is to be explained.
        first = "".join(f"\nfirst: {each}" for each in self.comparison.differences[:1])
        return (
            f"{self.subject} against {self.oracle}: {self.comparison.compared} calls compared, "
            f"{len(self.comparison.differences)} differences, seeds {', '.join(self.seeds)}, "
            f"{self.seconds:.1f} s; deliberate: {met or 'none met'}{first}"
        )


def play(name: str, conversation: Conversation) -> Transcript:
    """Play a conversation on a fresh daemon."""
    with SUBJECTS[name].start(conversation.settings) as subject:
        return Player(subject).play(conversation)


def confront(oracle: str, subject: str, conversation: Conversation) -> Comparison:
    """Play a conversation on both and compare; nothing excuses anybody but us."""
    differences = SUBJECTS[subject].differences
    return compare(play(oracle, conversation), play(subject, conversation), differences)


def run(
    subject: str,
    seeds: Iterable[str],
    *,
    calls: int,
    oracle: str = "kwalletd5",
    size: int = CONVERSATION_SIZE,
    first_only: bool = True,
) -> Run:
    """Compare ``calls`` calls for each seed."""
    result = Run(oracle, subject)
    profile = SUBJECTS[subject].profile
    profile = replace(profile, qt5=profile.qt5 and SUBJECTS[oracle].profile.qt5)
    started = time.monotonic()
    for seed in seeds:
        result.seeds.append(seed)
        for part, length in split_seeds(seed, calls, size):
            conversation = converse(part, length, profile)
            comparison = confront(oracle, subject, conversation)
            result.comparison.add(comparison)
            if comparison.differences:
                result.failing.append(conversation)
                if first_only:
                    break
    result.seconds = time.monotonic() - started
    return result


def explain(failing: Conversation, subject: str, *, oracle: str = "kwalletd5") -> str:
    """Shrink a failing conversation and tell it."""

    def fails(candidate: Conversation) -> bool:
        return bool(confront(oracle, subject, candidate).differences)

    first = confront(oracle, subject, failing).differences
    if first and first[0].index >= 0:
        cut = replace(failing, steps=failing.steps[: first[0].index + 1])
        failing = cut if fails(cut) else failing
    short = shrink(failing, fails, seconds=SHRINKING_SECONDS)
    differences = confront(oracle, subject, short).differences
    steps = "\n".join(f"  {step}" for step in short.steps)
    told = "\n".join(f"  {oracle}: {d.oracle}\n  {subject}: {d.subject}" for d in differences)
    return f"seed {failing.seed}, {failing.settings}\n{steps}\ndiffers:\n{told}"
