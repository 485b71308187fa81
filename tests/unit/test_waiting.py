# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting works in a process that has many files open."""

from __future__ import annotations

import fcntl
import os
import resource
from typing import TYPE_CHECKING

import pytest
from support.waiting import wait_readable

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST_OF_SELECT = 1023


@pytest.fixture
def high_pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose reading end has a number that ``select.select`` refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    low, writer = os.pipe()
    reader = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, LAST_OF_SELECT + 1)
    os.close(low)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_high_descriptor_is_waited_for(high_pipe: tuple[int, int]) -> None:
    """What can be read is told, what cannot is not."""
    reader, writer = high_pipe
    assert not wait_readable([reader], 0)
    os.write(writer, b"x")
    assert wait_readable([reader], 10) == [reader]


def test_nothing_is_waited_for_in_a_past(high_pipe: tuple[int, int]) -> None:
    """A time that is over is a look, not an endless wait."""
    assert not wait_readable([high_pipe[0]], -1)
