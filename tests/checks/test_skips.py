"""The gate for skipped tests, run on small suites of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.skips import allowed_patterns

REPOSITORY = Path(__file__).parents[2]

CONFTEST = """
import sys
from pathlib import Path

sys.path.insert(0, {repository!r})
from tests.skips import skip_gate


def pytest_configure(config):
    config.pluginmanager.register(skip_gate(Path(__file__).with_name("allowed_skips.txt")), "skip-gate")
"""

SUITE = """
import pytest

def test_runs(): pass

@pytest.mark.parametrize("which", ["a", "b"])
def test_is_skipped(which): pytest.skip("no such part here")

@pytest.mark.xfail(strict=True)
def test_fails_as_expected(): assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest(CONFTEST.format(repository=str(REPOSITORY)))
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def run(suite: pytest.Pytester) -> pytest.RunResult:
    return suite.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:valkey", timeout=60)


def test_an_unnamed_skip_fails_the_run_in_ci_and_its_reason_is_printed(suite: pytest.Pytester) -> None:
    result = run(suite)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*which fails this run*", "test_suite.py::test_is_skipped?a?: no such part here"])


def test_a_named_skip_passes(suite: pytest.Pytester) -> None:
    suite.path.joinpath("allowed_skips.txt").write_text("*::test_is_skipped[*]: shows a named skip\n")
    assert run(suite).ret == pytest.ExitCode.OK


def test_naming_one_case_does_not_excuse_its_neighbour(suite: pytest.Pytester) -> None:
    suite.path.joinpath("allowed_skips.txt").write_text("test_suite.py::test_is_skipped[a]: only this one\n")
    result = run(suite)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("test_suite.py::test_is_skipped?a?: *")


def test_a_module_that_skips_itself_is_caught_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite="import pytest\npytest.skip('not today', allow_module_level=True)")
    suite.makepyfile(test_other="def test_runs(): pass")
    result = run(suite)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_suite.py: not today"])


def test_outside_ci_a_skip_is_only_told(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    result = run(suite)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*which would fail in CI*"])


def test_a_line_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="gives no reason"):
        allowed_patterns(["tests/x.py::test_y"])
