# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests at the two ends of what pyproject.toml allows.

``python tests/support/smoke.py oldest FOLDER`` makes a virtual environment in FOLDER with the lower
bound of every dependency; ``newest`` makes one with the newest Python that can be found, which must
be newer than the oldest we allow, and the newest dependencies. Then come unit tests and a smoke test
over providers.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SMOKE = (
    "tests/unit",
    "tests/oracle",
    "tests/provider/test_bus_connection.py",
    "tests/provider/test_store_over_fake.py",
    "tests/provider/test_items_over_gnome_keyring.py",
    "tests/provider/test_migrate_command.py",
    "tests/conformance/test_against_kwalletd5.py",
)
NEWER = range(20, 11, -1)
PROBE = "import sys, ssl, venv, ensurepip; print(*sys.version_info[:2], sep='.')"


def lower_bounds(text: str) -> list[str]:
    """Turn every ``name>=version`` of a pyproject.toml into ``name==version``."""
    project = tomllib.loads(text)
    gui = project["project"]["optional-dependencies"]["gui"]
    exact = [_pin(wanted, "") for wanted in (*project["project"]["dependencies"], *gui)]
    # A wheel of PyQt6 works with the Qt of its own minor version only.
    exact += [_pin(wanted.replace("PyQt6", "PyQt6-Qt6"), ".*") for wanted in gui]
    return exact + [_pin(wanted, ".*") for wanted in project["dependency-groups"]["test"]]


def _pin(requirement: str, ending: str) -> str:
    found = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
    if found is None:
        raise ValueError(f"{requirement} has no lower bound")
    return f"{found[1]}=={found[2]}{ending}"


def newest_python() -> str | None:
    """Find the newest interpreter that can make environments."""
    for minor in NEWER:
        for candidate in _interpreters(f"python3.{minor}"):
            # A shim may stand for a version that is not there.
            done = subprocess.run(
                [candidate, "-c", PROBE], capture_output=True, text=True, check=False
            )
            if done.stdout.strip() == f"3.{minor}":
                return candidate
    return None


def _interpreters(name: str) -> Iterator[str]:
    found = shutil.which(name)
    if found:
        yield found
    # pyenv and uv keep versions side by side, wherever that is.
    kept = Path(sys.base_prefix).parent
    yield from map(str, sorted(kept.glob(f"*/bin/{name}"), reverse=True))


def install_oldest(folder: Path) -> None:
    """Make an environment of the lower bounds."""
    pinned = lower_bounds((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    _install(sys.executable, folder, pinned)


def install_newest(folder: Path) -> None:
    """Make an environment of the newest Python and whatever is newest for it."""
    python = newest_python()
    if python is None:
        sys.exit("Missing: a Python newer than 3.11, on PATH or beside this one")
    wanted = ["--editable", f"{ROOT}[gui]", "--group", f"{ROOT}/pyproject.toml:test"]
    _install(python, folder, wanted)


def _install(python: str, folder: Path, wanted: list[str]) -> None:
    if not (folder / "bin/python").exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "pip>=25.1"], check=True)
    subprocess.run([*pip, "install", "-q", *wanted], check=True)
    subprocess.run([*pip, "freeze", "--exclude-editable"], check=True)


def main() -> int:
    """Install and run; gives the tests' exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("end", choices=["oldest", "newest"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    install = install_oldest if arguments.end == "oldest" else install_newest
    install(arguments.folder)
    python = arguments.folder / "bin/python"
    subprocess.run([python, "--version"], check=True)
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SMOKE]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
