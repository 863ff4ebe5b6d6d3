"""The house as it must stand: three roots of one namespace, one lock that fits the project, files of a sane size."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.checks.tree import REPOSITORY, ROOTS, committed_files

LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
LARGEST_FILE = 1 << 20  # bytes
LONGEST_PYTHON_FILE = 500  # lines

# Where packages come from is the reader's choice: a mirror, a folder, the public index.
PACKAGE_HOSTS = re.compile(
    rb"(?:pypi|pythonhosted|anaconda|debian|npmjs|yarnpkg|jsr|esm)\.(?:org|com|io|sh)\b|file:/{3}|://[^/\s]*/simple/"
)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    return {plain(name): number for name, number in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE)}


def asked_for() -> set[str]:
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["server"],
        *PROJECT["dependency-groups"]["dev"],
    ]
    return {plain(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]) for requirement in wanted}


def test_no_root_closes_the_namespace() -> None:
    assert [root for root in ROOTS if (REPOSITORY / root / "scenehub" / "__init__.py").exists()] == []


def test_all_three_roots_are_importable_and_typed() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"] == list(ROOTS)
    assert [root for root in ROOTS if not (REPOSITORY / root / "scenehub" / root / "py.typed").exists()] == []


def test_the_lock_names_everything_that_the_project_asks_for() -> None:
    assert asked_for() - set(locked()) == set()


def test_everything_in_the_lock_has_a_hash_and_nothing_names_a_host() -> None:
    assert len(re.findall(r"^\S+==[^\n]+\\\n    --hash=sha256:", LOCK, re.MULTILINE)) == len(locked())
    assert re.findall(r"^-.*|.*://.*", LOCK, re.MULTILINE) == []


@pytest.mark.parametrize("name", sorted(asked_for()))
def test_what_runs_here_is_what_the_lock_says(name: str) -> None:
    try:
        installed = version(name)
    except PackageNotFoundError:
        installed = "missing"
    assert installed == locked()[name], "start ./run install"


def test_no_committed_file_is_large() -> None:
    assert [str(name) for name in committed_files() if (REPOSITORY / name).stat().st_size > LARGEST_FILE] == []


def test_no_committed_file_names_a_package_host() -> None:
    assert [str(name) for name in committed_files() if PACKAGE_HOSTS.search((REPOSITORY / name).read_bytes())] == []


def test_no_python_file_is_too_long_to_read() -> None:
    python = [name for name in committed_files() if name.suffix == ".py"]
    lengths = {str(name): len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()) for name in python}
    assert {name: length for name, length in lengths.items() if length > LONGEST_PYTHON_FILE} == {}
