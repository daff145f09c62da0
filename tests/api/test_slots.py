from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from ml_pipeline.api.slots import Slots

HOLD = """
import asyncio, sys
from pathlib import Path
from ml_pipeline.api.slots import Slots
async def hold():
    held = await Slots(Path(sys.argv[1]), 1).wait(asyncio.Event())
    print("held", flush=True)
    sys.stdin.read()
asyncio.run(hold())
"""


def test_there_are_so_many_places_and_no_more(tmp_path: Path) -> None:
    async def take() -> None:
        first, second = Slots(tmp_path, 2), Slots(tmp_path, 2)
        one, two = await first.wait(asyncio.Event()), await second.wait(asyncio.Event())
        assert one
        assert two
        third = asyncio.create_task(first.wait(asyncio.Event()))
        await asyncio.sleep(0.5)
        assert not third.done()
        two.close()
        found = await third
        assert found
        found.close()
        one.close()

    asyncio.run(take())


def test_a_wait_can_be_given_up(tmp_path: Path) -> None:
    async def wait() -> None:
        held, given_up = await Slots(tmp_path, 1).wait(asyncio.Event()), asyncio.Event()
        assert held
        waiting = asyncio.create_task(Slots(tmp_path, 1).wait(given_up))
        await asyncio.sleep(0)
        given_up.set()
        assert await waiting is None
        held.close()

    asyncio.run(wait())


def test_a_process_that_is_killed_leaves_its_place(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        slots = Slots(tmp_path, 1)
        assert slots._take() is None
        other.kill()
        other.wait()
        held = slots._take()
        assert held
        held.close()
