"""The script `run`: when it installs, when it does not, and what it says when something is missing."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.checks.tree import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

START_LIMIT = 0.9  # seconds: three times the promised 0.3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of three files, with `run`."""
    shutil.copy(REPOSITORY / "run", tmp_path / "run")
    (tmp_path / "requirements.lock").write_text("one==1 \\\n    --hash=sha256:00\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


class Recorder:
    """The script as a module, whose installs are written down instead of done."""

    def __init__(self, folder: Path) -> None:
        loader = SourceFileLoader("the_run_script", str(folder / "run"))
        spec = importlib.util.spec_from_loader("the_run_script", loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        self.script = cast("Any", module)
        self.script.pip = self._pip
        self.script.check = self._check
        self.done: list[str] = []
        self.breaks_at: str | None = None

    def _check(self, command: list[str], complaint: str) -> None:
        self.done.append("venv")
        shutil.rmtree(self.script.VENV, ignore_errors=True)
        os.makedirs(os.path.dirname(self.script.VENV_PYTHON))  # noqa: PTH103, PTH120
        os.symlink(sys.executable, self.script.VENV_PYTHON)  # noqa: PTH211
        self.script.usable = lambda stamp: not stamp or stamp.get("root") == self.script.ROOT

    def _pip(self, *arguments: str, total: int = 0) -> None:
        step = "lock" if "--require-hashes" in arguments else "project"
        if step == self.breaks_at:
            raise KeyboardInterrupt
        self.done.append(step)

    def steps(self) -> list[str]:
        """What one start installs."""
        self.done = []
        self.script.ensure_current()
        return self.done


@pytest.fixture
def recorder(folder: Path) -> Recorder:
    return Recorder(folder)


def test_the_first_start_makes_everything_and_the_second_nothing(recorder: Recorder) -> None:
    assert recorder.steps() == ["venv", "lock", "project"]
    assert recorder.steps() == []


def test_a_changed_project_file_reinstalls_the_project_alone(recorder: Recorder, folder: Path) -> None:
    recorder.steps()
    (folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert recorder.steps() == ["project"]


def test_a_changed_lock_is_installed(recorder: Recorder, folder: Path) -> None:
    recorder.steps()
    (folder / "requirements.lock").write_text("two==2 \\\n    --hash=sha256:00\n")
    assert recorder.steps() == ["lock", "project"]


@pytest.mark.parametrize("step", ["lock", "project"])
def test_an_interrupted_install_is_done_again(recorder: Recorder, folder: Path, step: str) -> None:
    recorder.steps()
    (folder / "requirements.lock").write_text("two==2 \\\n    --hash=sha256:00\n")
    recorder.breaks_at = step
    with pytest.raises(KeyboardInterrupt):
        recorder.steps()
    recorder.breaks_at = None
    assert recorder.steps()[-2:] == ["lock", "project"]


def test_an_environment_whose_python_is_gone_is_made_anew(folder: Path, recorder: Recorder) -> None:
    recorder.steps()
    python = folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(folder / "no-such-python")
    fresh = Recorder(folder)
    assert not fresh.script.usable(fresh.script.read_stamp())
    assert fresh.steps() == ["venv", "lock", "project"]


def test_an_environment_that_was_copied_from_elsewhere_is_made_anew(
    folder: Path, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recorder.steps()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder, elsewhere, symlinks=True)
    assert Recorder(elsewhere).steps() == ["venv", "lock", "project"]


def test_help_needs_no_environment(folder: Path) -> None:
    told = subprocess.run([sys.executable, folder / "run", "--help"], capture_output=True, text=True, check=True)
    assert "./run dev" in told.stdout
    assert not (folder / ".venv").exists()


def test_an_old_python_gets_one_sentence(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    recorder.script.OLDEST_PYTHON = (99, 0)
    recorder.script.NEWER_PYTHONS = ()
    with pytest.raises(SystemExit):
        recorder.script.require_python()
    assert capsys.readouterr().err.startswith("Scenehub needs Python 3.11 or newer; this is Python 3.")


def test_missing_git_gets_one_sentence(folder: Path) -> None:
    told = subprocess.run(
        [sys.executable, folder / "run", "dev"], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stderr.startswith("Scenehub needs git")


def test_missing_venv_gets_one_sentence(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit):
        recorder.script.require_venv_and_git()
    assert "needs Python's venv module" in capsys.readouterr().err


def test_a_current_environment_starts_at_once_and_the_tool_takes_the_place_of_the_script(
    folder: Path, recorder: Recorder
) -> None:
    recorder.steps()
    program = "import os, sys; print(os.getpid(), *sys.argv[1:])"
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, folder / "run", "python", "-c", program, "a b"], stdout=subprocess.PIPE, text=True
    )
    said, _ = process.communicate(timeout=30)
    assert time.monotonic() - started < START_LIMIT
    assert said.split() == [str(process.pid), "a", "b"]


def test_an_old_python_can_read_the_script_at_all() -> None:
    ast.parse((REPOSITORY / "run").read_text(encoding="utf-8"), feature_version=(3, 7))
