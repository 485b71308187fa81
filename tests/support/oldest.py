# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests over the oldest dependencies that pyproject.toml allows.

``python tests/support/oldest.py FOLDER`` makes a virtual environment in FOLDER, installs the lower
bound of every dependency and test dependency, and runs unit tests and a smoke test over providers.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = (
    "tests/unit",
    "tests/provider/test_bus_connection.py",
    "tests/provider/test_store_over_fake.py",
    "tests/provider/test_items_over_gnome_keyring.py",
    "tests/provider/test_migrate_command.py",
)


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


def main() -> int:
    """Install and run; gives the tests' exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    pinned = lower_bounds((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    python = arguments.folder / "bin/python"
    if not python.exists():
        venv.create(arguments.folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *pinned], check=True)
    subprocess.run([python, "-m", "pip", "freeze"], check=True)
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SMOKE]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
