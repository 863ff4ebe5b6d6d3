"""What the documents say is so: links lead somewhere, commands in README exist, the changelog keeps its form."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.checks.tree import REPOSITORY, TOOLS, committed_files

DOCUMENTS = [name for name in committed_files() if name.suffix == ".md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
SHELL_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that a reader's page gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(document: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False  # elsewhere: not looked up, so that the check needs no network
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


def commands_of(document: Path) -> list[str]:
    """The commands in a document's shell blocks, without prompts, comments and what they print."""
    lines = [line for block in SHELL_BLOCK.findall(document.read_text(encoding="utf-8")) for line in block.splitlines()]
    return [
        line.removeprefix("$ ").split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")
    ]


@cache
def words_of_run() -> set[str]:
    told = subprocess.run([REPOSITORY / "run", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  \./run ([a-z]+)", told, re.MULTILINE))


@cache
def is_command_of_scenehub(word: str) -> bool:
    asked = subprocess.run([TOOLS / "scenehub", word, "--help"], capture_output=True, timeout=60, check=False)
    return asked.returncode == 0


@pytest.mark.parametrize("name", DOCUMENTS, ids=str)
def test_every_relative_link_leads_somewhere(name: Path) -> None:
    document = REPOSITORY / name
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    assert [link for link in LINK.findall(text) if broken(document, link)] == []


@pytest.mark.parametrize("name", DOCUMENTS, ids=str)
def test_every_command_of_a_document_exists(name: Path) -> None:
    unknown = []
    for command in commands_of(REPOSITORY / name):
        words = command.split()
        if words[0] == "./run" and words[1:2] == ["python"]:
            exists = len(words) > 2 and (words[2].startswith("-") or (REPOSITORY / words[2]).exists())
        elif words[0] in ("./run", "scenehub") and len(words) > 1:
            exists = words[1] in words_of_run() or is_command_of_scenehub(words[1])
        elif words[0].startswith((".", "/")):
            exists = (REPOSITORY / words[0]).exists() or words[0].startswith(".venv/")
        else:
            exists = True  # a tool of the reader's machine
        if not exists:
            unknown.append(command)
    assert unknown == []


def test_readme_opens_with_the_two_commands() -> None:
    commands = commands_of(REPOSITORY / "README.md")
    assert {"./run dev", "./run test"} <= set(commands)


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    headings = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])


def test_decision_records_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (REPOSITORY / "docs" / "decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
