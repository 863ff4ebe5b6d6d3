"""A pytest plugin: in CI a skipped test that is not on the named list fails the run.

`tests/allowed_skips.txt` is the list. A line is `PATTERN: why`; the pattern is matched against the test's id as by a
shell (`*`), and the why is for the reader. Empty lines and lines with `#` are comments.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def allowed_patterns(lines: Iterable[str]) -> list[str]:
    """The patterns of a list. Raises ValueError for a line that gives no reason."""
    patterns = []
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        pattern, separator, why = text.rpartition(": ")
        if not separator or not why.strip():
            raise ValueError(f"a line of the list of allowed skips gives no reason: {text!r}")
        patterns.append(pattern.strip())
    return patterns


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, in its own words."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


class SkipGate:
    """Collects what was skipped; in CI turns a run green but for unnamed skips into a failed one."""

    def __init__(self, patterns: list[str], *, strict: bool) -> None:
        self.patterns = patterns
        self.strict = strict
        self.unnamed: dict[str, str] = {}

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        expected_failure = hasattr(report, "wasxfail")
        if report.skipped and not expected_failure and not self._named(report.nodeid):
            self.unnamed[report.nodeid] = reason_of(report)

    def _named(self, nodeid: str) -> bool:
        # Brackets stand in the ids of parametrised tests: they are plain characters here.
        return any(fnmatchcase(nodeid, pattern.replace("[", "[[]")) for pattern in self.patterns)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.strict and self.unnamed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.unnamed:
            return
        verdict = "which fails this run" if self.strict else "which would fail in CI"
        terminalreporter.section(f"skipped without being on tests/allowed_skips.txt, {verdict}", red=self.strict)
        for nodeid, reason in sorted(self.unnamed.items()):
            terminalreporter.write_line(f"{nodeid}: {reason}")


def skip_gate(list_of_allowed: Path) -> SkipGate:
    """The plugin for one run; strict when CI is set to something."""
    lines = list_of_allowed.read_text(encoding="utf-8").splitlines() if list_of_allowed.exists() else []
    return SkipGate(allowed_patterns(lines), strict=os.environ.get("CI", "") not in ("", "0", "false"))
