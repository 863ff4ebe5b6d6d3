"""`scenehub watch`: a project live, drawn for a person or as lines for a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from tests.cli.conftest import Run
from tests.cli.programs import PATIENCE, SCENEHUB, environment, program


def test_once_shows_how_it_stands(run: Run, url: str) -> None:
    said = run("watch", "launch-video", "--once", "--url", url)
    assert said.status == 0
    for word in ("Scenehub launch video", "Scenes 10", "End card", "Members 1", "● live", "1920×1080 at 30 fps"):
        assert word in said.out
    assert max(map(len, said.out.splitlines())) <= 200


def test_lines_tell_an_edit_when_it_is_shown_and_when_it_is_saved(run: Run, url: str) -> None:
    """S1, S2: both stages are visible."""
    with program("watch", "launch-video", "--plain", "--url", url) as watching:
        watching.until("10 scenes")
        assert run("edit", "launch-video", "scene", "End card", "--prop", "small=Hi", "--url", url).status == 0
        watching.until(r'○ \S+  small of "End card" → "Hi"')
        saved = watching.until(r'● \S+  small of "End card" → "Hi"  seq (\d+)')
        assert int(saved[1]) > 1
        watching.until(r"· \S+  joined")
        watching.until(r"· \S+  left")
        assert watching.stop(signal.SIGINT) == 0
        assert "Traceback" not in watching.said


def test_a_project_that_is_not_there_is_said(run: Run, url: str) -> None:
    said = run("watch", "nothing-here", "--once", "--url", url)
    assert said.status == 1
    assert "no project nothing-here" in said.err
    assert "scenehub projects" in said.err


def test_without_a_hub_it_says_where_it_looked(run: Run) -> None:
    said = run("watch", "launch-video", "--once", "--url", "http://127.0.0.1:9")
    assert said.status == 1
    assert "http://127.0.0.1:9" in said.err
    assert "scenehub dev" in said.err


def test_an_address_that_is_none_is_said(run: Run) -> None:
    said = run("watch", "launch-video", "--once", "--url", "ftp://there", "--token", "x")
    assert said.status == 1
    assert "ftp://there" in said.err


def test_the_picture_fits_its_terminal_and_q_ends_it(url: str) -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {name: value for name, value in environment(TERM="xterm-256color").items() if name != "COLUMNS"}
    command = [SCENEHUB, "watch", "launch-video", "--url", url]
    watching = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=clean, start_new_session=True)
    os.close(inside)
    try:
        shown = read_until(terminal, "quits")
        for word in ("Scenes", "Members", "Edits", "End card"):
            assert word in shown
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
        os.kill(watching.pid, signal.SIGWINCH)
        read_until(terminal, "│")  # two columns now
        os.write(terminal, b"q")
        read_until(terminal, "\x1b[?1049l")  # the screen as it was
        assert watching.wait(PATIENCE) == 0
    finally:
        watching.kill()
        watching.wait()
        os.close(terminal)


def read_until(terminal: int, word: str) -> str:
    """What is written into a terminal until a word has come, without colours."""
    said, deadline = b"", time.monotonic() + PATIENCE
    while word not in said.decode("utf-8", "replace"):
        assert time.monotonic() < deadline, said
        readable, _, _ = select.select([terminal], [], [], 0.2)
        if readable:
            said += os.read(terminal, 65536)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode("utf-8", "replace"))
