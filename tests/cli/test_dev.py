"""`scenehub dev`: one command to a running hub, and nothing left of it afterwards."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.programs import Program, open_directory, program, scenehub, wait_until
from tests.embedded.processes import mentioning


@pytest.fixture
def data() -> Iterator[Path]:
    with open_directory() as folder:
        yield folder / "data"


def dev(data: Path, *words: str) -> list[str | Path]:
    return ["dev", "--port", "0", "--data", data, *words]


def seq_of(hub: Program) -> int:
    shown = scenehub("projects", SCENEHUB_URL=hub.url()).stdout
    found = re.search(r"^launch-video .*?(\d+) +\d+×", shown, re.MULTILINE)
    assert found, shown
    return int(found[1])


def test_it_keeps_what_is_edited_over_a_stop_and_a_kill_and_leaves_nothing_running(data: Path) -> None:
    """N5; after `kill -9` nothing runs on, nothing is lost, and it starts again."""
    with program(*dev(data)) as first:
        first.until("Stop:")
        with urlopen(f"{first.url()}/healthz", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        said = scenehub("edit", "launch-video", "scene", "Cold open", "--set", "duration=77", SCENEHUB_URL=first.url())
        assert (said.returncode, said.stderr) == (0, "")
        first.until(r'duration of "Cold open" → 77 .*● saved \d+ ms  #2')
        assert first.stop() == 0
        assert "Everything is stopped" in first.said
        assert "Traceback" not in first.said
    assert mentioning(data) == []
    with program(*dev(data)) as second:
        ready = second.until(r"ready in (\d+\.\d) s")
        assert float(ready[1]) < 20  # 3 s on a quiet machine
        second.until("Stop:")
        assert scenehub("edit", "launch-video", "say", "still here", SCENEHUB_URL=second.url()).returncode == 0
        assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: mentioning(data) == [], f"nothing runs in {data}")
    with program(*dev(data)) as third:
        third.until("Stop:")
        assert seq_of(third) == 3
        assert third.stop(signal.SIGINT) == 0
    assert mentioning(data) == []


def test_a_second_one_on_the_same_data_says_who_has_it(hub: Program, data: Path) -> None:
    used = re.search(r"Data: (\S+)", hub.said)
    assert used
    said = scenehub(*dev(Path(used[1])))
    assert said.returncode == 1
    assert str(hub.process.pid) in said.stderr
    assert hub.url() in said.stderr
    assert "--data" in said.stderr
    assert "Traceback" not in said.stderr + said.stdout


def test_a_taken_port_is_said_with_what_to_do(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = scenehub("dev", "--port", str(port), "--data", data)
    assert said.returncode == 1
    assert f"port {port}" in said.stderr
    assert "--port" in said.stderr
    assert "Traceback" not in said.stderr + said.stdout
    assert not (data / "postgres").exists()  # it is found out before anything is started


def test_guests_are_refused_on_a_public_address(data: Path) -> None:
    """M3: `dev` lets everybody in, so only this machine may reach it."""
    said = scenehub("dev", "--host", "0.0.0.0", "--port", "0", "--data", data)
    assert said.returncode == 1
    assert "scenehub serve" in said.stderr
    assert not data.exists()


def test_a_stop_during_the_first_start_leaves_nothing_running(data: Path) -> None:
    with program(*dev(data)) as hub:
        hub.until("first start")
        assert hub.stop(signal.SIGINT) == 0
        assert "Traceback" not in hub.said
    wait_until(lambda: mentioning(data) == [], f"nothing runs in {data}")


def test_a_folder_that_cannot_be_written_is_named() -> None:
    said = scenehub("dev", "--port", "0", "--data", "/proc/nowhere")
    assert said.returncode == 1
    assert "/proc/nowhere" in said.stderr
    assert "--data" in said.stderr
    assert "Traceback" not in said.stderr + said.stdout
