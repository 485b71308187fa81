# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone is whole: nothing in it needs what lies beside it, and nothing in it has gone."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT, VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator

_UP = re.compile(r"(?<![\w.*/])(?:[\w.~$@{}-]+/)*(?:\.\./)+[\w./*-]*")
_UNTRACKED = {".git", ".venv", ".cache", "build", "dist", "__pycache__"}
_STANDARD = sys.stdlib_module_names
_TEST_GROUP = {"hypothesis", "pytest", "pytest_asyncio", "coverage"}
_RUN_TIME = {"kwallet_bridge", "cryptography", "dbus_fast", "tqdm"}


def files() -> Iterator[Path]:
    """Give the files of the repository; what is made beside them has a folder with a mark."""
    for folder, below, names in os.walk(ROOT):
        place = ROOT / folder
        below[:] = [
            name
            for name in below
            if name not in _UNTRACKED
            and not name.endswith((".egg-info", "_cache"))
            and name != ".hypothesis"
        ]
        yield from (place / name for name in names if not name.endswith((".pyc", ".pyo")))


def texts() -> Iterator[tuple[Path, str]]:
    """Give every text that people wrote."""
    for path in files():
        if path.is_relative_to(VECTORS) and path.suffix != ".md":
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def leaves(path: Path, reference: str) -> bool:
    """Tell whether a relative reference out of a file of ours leads out of the repository."""
    if reference.startswith(("/", "~", "$")):
        return False
    place = os.path.normpath(path.parent / reference)
    return not (place == str(ROOT) or place.startswith(f"{ROOT}{os.sep}"))


def test_no_file_refers_to_a_folder_above_the_root() -> None:
    """What a file of the repository needs is in the repository."""
    strays = [
        f"{path.relative_to(ROOT)}: {reference}"
        for path, text in texts()
        for reference in _UP.findall(text)
        if leaves(path, reference)
    ]
    assert strays == []


@pytest.mark.parametrize(
    ("place", "reference", "out"),
    [
        ("README.md", "../" + "shared/vectors", True),
        ("docs/README.md", "../" * 2 + "shared", True),
        ("docs/README.md", "../CHANGELOG.md", False),
        ("tests/unit/x.py", "../../README.md", False),
        ("tests/unit/x.py", "../" * 3 + "x", True),
    ],
)
def test_a_reference_out_of_the_repository_is_recognised(
    place: str, reference: str, *, out: bool
) -> None:
    """The search above can fail."""
    found = _UP.findall(f"see `{reference}`, or ({reference})")
    assert found == [reference] * 2
    assert leaves(ROOT / place, reference) is out


def test_the_vectors_are_all_here() -> None:
    """134 wallets, each with what a reader must find; where each comes from is told."""
    wallets = {path.stem for path in VECTORS.glob("*.kwl")}
    told = {path.stem for path in VECTORS.glob("*.json")}
    assert wallets <= told
    assert len(wallets) == 134
    assert len(list(VECTORS.glob("*.salt"))) == 95
    assert (VECTORS / "README.md").is_file()


def imports(path: Path) -> Iterator[str]:
    """Give the top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_unit_tests_import_no_window() -> None:
    """They need what the program needs, and what runs tests: no PyQt6, no bus, no provider."""
    allowed = _STANDARD | _TEST_GROUP | _RUN_TIME | {"support", "scripts", "fault"}
    strange = {
        f"{path.name}: {name}"
        for path in (ROOT / "tests/unit").glob("*.py")
        for name in imports(path)
        if name not in allowed
    }
    assert strange == set()


PAGES = sorted((ROOT / "docs").rglob("*.md")) + sorted(ROOT.glob("*.md"))
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_PLACE = re.compile(r"`((?:kwallet_bridge|tests|docs|scripts)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    """Links lead to files of ours, and files that are named exist."""
    text = page.read_text(encoding="utf-8")
    links = [link for link in _LINK.findall(text) if "://" not in link]
    lost = [link for link in links if not (page.parent / link).exists()]
    lost += [
        place
        for place in _PLACE.findall(text)
        if "NAME" not in place and not (ROOT / place).exists()
    ]
    assert lost == []


def test_the_index_names_every_page() -> None:
    """What is written in docs is found from docs/README.md."""
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text("utf-8"))}
    assert {page for page in PAGES if page.parent != ROOT} - linked == {index}


def bare_clone(folder: Path) -> dict[str, str]:
    """Put the developer's command where no Debian package is, its tools set up and silent."""
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("ruff", "mypy", "lint-imports", "codespell", "reuse", "python"):
        (programs / name).write_text('#!/bin/sh\necho "${0##*/} $*"\n')
        (programs / name).chmod(0o755)
    for name in ("dev", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    path = folder / "path"
    path.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "sort", "tr", "id", "ln", "mkdir", "sleep"):
        (path / name).symlink_to(shutil.which(name) or name)
    with (folder / "pyproject.toml").open("rb") as project:
        stamp = subprocess.run(["cksum"], stdin=project, stdout=subprocess.PIPE, check=True).stdout
    (folder / ".venv/stamp").write_bytes(stamp)
    return {"PATH": str(path), "HOME": str(folder)}


@pytest.mark.parametrize(
    ("words", "goes"),
    [
        (["tests/unit"], True),
        (["-x", "tests/unit/test_text.py"], True),
        ([], False),
        (["-x"], False),
        (["tests/gui"], False),
        (["tests/unit", "tests/gui"], False),
    ],
)
def test_unit_tests_are_run_without_any_debian_package(
    tmp_path: Path, words: list[str], *, goes: bool
) -> None:
    """The developer's command asks for providers only where tests want them."""
    env = bare_clone(tmp_path)
    done = subprocess.run(
        [tmp_path / "dev", "test", *words], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if goes else 1)
    assert (f"python -m pytest -q {' '.join(words)}" in done.stdout) is goes
    assert ("Missing; the Debian packages" in done.stderr) is not goes


def test_the_bare_run_sees_only_what_every_system_has(tmp_path: Path) -> None:
    """Unit tests are also run without PyQt6, and where no program of a package is found."""
    env = bare_clone(tmp_path)
    bare = tmp_path / ".cache/bare"
    shutil.copytree(tmp_path / ".venv", bare)
    (bare / "bin/python").write_text('#!/bin/sh\necho "$PATH"\necho "$*"\necho "${SECRET-none}"\n')
    done = subprocess.run(
        [tmp_path / "dev", "test-bare"],
        env=env | {"SECRET": "of the developer's"},
        capture_output=True,
        text=True,
        check=True,
    )
    path, words, inherited = done.stdout.splitlines()
    programs = {one.name for one in Path(path).iterdir()}
    assert programs == {
        "sh", "cat", "cksum", "dirname", "id", "ln", "mkdir", "sleep", "sort", "tr",
    }  # fmt: skip
    assert words.endswith(" tests/unit")
    assert inherited == "none"
    assert "./dev test-bare" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_a_word_has_one_meaning() -> None:
    """The glossary explains each word once, in alphabetical order."""
    page = (ROOT / "docs/reference/glossary.md").read_text(encoding="utf-8")
    words = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(words) > 40
    assert words == sorted(set(words), key=str.lower)


def test_the_house_has_a_line_for_each_package() -> None:
    """Nobody adds a package without saying what it is."""
    page = (ROOT / "docs/explanation/the-house.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in (ROOT / "kwallet_bridge").glob("*/__init__.py")]
    assert [name for name in packages if f"| `kwallet_bridge/{name}/` |" not in page] == []
