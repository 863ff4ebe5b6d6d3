"""The repository as the checks see it: its folder, its files, and a copy of its code to plant mistakes in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = ("protocol", "client", "server")
TOOLS = Path(sys.executable).parent


def committed_files() -> list[Path]:
    """Every file that is tracked or would be: not what .gitignore names. Relative to the repository."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    names = [Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name]
    return sorted({name for name in names if (REPOSITORY / name).is_file()})


def copy_of_the_code(to: Path) -> Path:
    """The three source roots and the configuration in a new folder, importable by PYTHONPATH."""
    ignore = shutil.ignore_patterns("__pycache__", "node_modules", "browser")
    for root in ROOTS:
        shutil.copytree(REPOSITORY / root, to / root, ignore=ignore)
    shutil.copy(REPOSITORY / "pyproject.toml", to)
    return to


def run_tool(name: str, *arguments: str, tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of the virtual environment on a copy of the code."""
    search_path = os.pathsep.join(str(tree / root) for root in ROOTS)
    return subprocess.run(
        [TOOLS / name, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": search_path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def plant(tree: Path, file: str, text: str) -> None:
    """Append text to a file of the copy; missing packages on the way get their `__init__.py`."""
    target = tree / file
    target.parent.mkdir(parents=True, exist_ok=True)
    top = tree / Path(file).parts[0] / "scenehub"
    for folder in target.parents:
        if folder == top:
            break
        (folder / "__init__.py").touch()
    with target.open("a", encoding="utf-8") as opened:
        opened.write(f"\n{text}\n")
