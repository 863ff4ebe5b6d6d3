"""PostgreSQL from a wheel, where it cannot run: each refusal names the culprit and the remedy."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenehub.server.dev import PartUnavailable, PortTaken, postgres
from scenehub.server.dev.child import Process
from tests.embedded.processes import AS_ROOT, command_of, keeper, names_in, run_as_owner, until


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def refusal(directory: Path, port: int | None = None) -> PartUnavailable:
    with pytest.raises(PartUnavailable) as caught:
        async with postgres(directory, port, durable=False):
            pass
    assert caught.value.part == "PostgreSQL"
    return caught.value


async def test_a_taken_port_is_named(part_directory: Path, listener: int) -> None:
    error = await refusal(part_directory, listener)
    assert isinstance(error, PortTaken)
    assert f"port {listener}" in error.what
    assert "another port" in error.remedy
    assert names_in(part_directory) == []


async def test_a_port_that_was_taken_while_it_was_stopped_is_named(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        await server.stop()
        with socket.create_server(("127.0.0.1", server.port)), pytest.raises(PortTaken, match=str(server.port)):
            await server.start()
        await server.start()
        assert server.running


async def test_a_directory_in_use_names_who_uses_it(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        error = await refusal(part_directory)
        assert str(part_directory) in error.what
        assert f"process {os.getpid()}" in error.what
        assert str(server.pid) in error.what
        assert "another directory" in error.remedy


async def test_a_directory_in_use_by_another_process_names_that_one(part_directory: Path) -> None:
    with keeper(part_directory) as (process, said):
        error = await refusal(part_directory / "postgres")
        assert f"process {process.pid}" in error.what
        assert str(said["postgres"]["pid"]) in error.what
        assert f"kill {process.pid}" in error.remedy


async def test_a_server_that_somebody_started_by_hand_on_the_data_is_left_alone(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        command = command_of(server.pid)
    by_hand = run_as_owner(command, part_directory / "data")
    try:
        pid_file = part_directory / "data" / "postmaster.pid"
        await until(pid_file.exists, "the other server is there")
        error = await refusal(part_directory)
        assert f"process {by_hand.pid}" in error.what
        assert f"kill -INT {by_hand.pid}" in error.remedy
        assert by_hand.poll() is None
    finally:
        by_hand.terminate()
        by_hand.wait(10)


async def test_a_file_of_a_dead_server_does_not_stop_the_next_one(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        pid_file = part_directory / "data" / "postmaster.pid"
        written = pid_file.read_text()
        ended = server.pid
    innocent = run_as_owner(["sleep", "60"], part_directory / "data")
    try:
        for pid in (ended, innocent.pid):  # a dead process; a process that has the pid of the dead one
            pid_file.write_text(written.replace(str(ended), str(pid), 1))
            _give(pid_file, part_directory / "data")
            async with postgres(part_directory, durable=False) as server:
                assert server.running
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


async def test_data_of_another_major_version_is_not_touched(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False):
        pass
    (part_directory / "data" / "PG_VERSION").write_text("16\n")
    error = await refusal(part_directory)
    assert "PostgreSQL 16" in error.what
    assert "PostgreSQL 18" in error.what
    assert "import" in error.remedy


async def test_something_that_is_no_database_is_not_overwritten(part_directory: Path) -> None:
    (part_directory / "data").mkdir()
    (part_directory / "data" / "novel.txt").write_text("Call me Ishmael.")
    _give(part_directory / "data", part_directory / "data")
    error = await refusal(part_directory)
    assert str(part_directory / "data") in error.what
    assert (part_directory / "data" / "novel.txt").exists()


async def test_a_directory_that_cannot_be_made_is_named(part_directory: Path) -> None:
    (part_directory / "file").write_text("")
    for directory in (part_directory / "file", part_directory / "file" / "below"):
        error = await refusal(directory)
        assert str(directory) in error.what


async def test_a_directory_that_the_user_may_not_write_is_named(part_directory: Path) -> None:
    (part_directory / "postgres").mkdir(mode=0o755)
    (part_directory / "postgres").chmod(0o555)
    with keeper(part_directory, ordinary=True) as (_, said):
        assert f"{part_directory}/postgres" in said["what"]
        assert "writable" in said["remedy"]


async def test_a_folder_that_the_servers_user_cannot_enter_is_named_to_root(part_directory: Path) -> None:
    closed = part_directory / "closed"
    closed.mkdir(mode=0o700)
    if not AS_ROOT:  # the server runs as this user, who may enter
        async with postgres(closed / "postgres", durable=False) as server:
            assert server.running
        return
    error = await refusal(closed / "postgres")
    assert f"cannot enter {closed} " in error.what
    assert "nobody" in error.what
    assert "everybody can reach" in error.remedy


async def test_a_server_that_fails_to_start_says_why(part_directory: Path) -> None:
    with pytest.raises(PartUnavailable) as caught:
        async with postgres(part_directory, durable=False, settings={"max_connections": "many"}):
            pass
    assert "max_connections" in caught.value.what
    assert str(part_directory / "postgres.log") in caught.value.remedy


def test_a_process_is_not_mistaken_for_a_later_one_with_its_pid() -> None:
    this = Process.of(os.getpid())
    assert this.alive
    assert not Process(this.pid, this.started + 1).alive


def _give(path: Path, model: Path) -> None:
    owner = model.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
