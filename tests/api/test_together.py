"""Requests of the same turn of the event loop: answered together, each with its own; answers sent in one piece."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from ml_pipeline.api.protocol import LARGE, Gathering
from ml_pipeline.api.together import Together
from ml_pipeline.errors import DataError


class Called:
    """Answers in capitals and remembers what it was asked together."""

    def __init__(self) -> None:
        self.turns: list[list[bytes]] = []

    def __call__(self, bodies: Sequence[bytes]) -> list[bytes | DataError]:
        self.turns.append([*bodies])
        if b"broken" in bodies:
            raise ZeroDivisionError
        return [DataError("no") if body == b"bad" else body.upper() for body in bodies]


async def asked(called: Called, *bodies: bytes) -> list[Any]:
    together = Together(called)
    return await asyncio.gather(*map(together.ask, bodies), return_exceptions=True)


def test_those_of_one_turn_are_answered_in_one_call_each_with_its_own() -> None:
    called = Called()
    found = asyncio.run(asked(called, b"a", b"bad", b"c"))
    assert called.turns == [[b"a", b"bad", b"c"]]
    assert (found[0], found[2]) == (b"A", b"C")
    assert isinstance(found[1], DataError)


def test_one_that_comes_later_waits_for_nobody() -> None:
    called = Called()

    async def later() -> list[bytes]:
        together = Together(called)
        return [await together.ask(b"a"), await together.ask(b"b")]

    assert asyncio.run(later()) == [b"A", b"B"]
    assert called.turns == [[b"a"], [b"b"]]


def test_what_nobody_expected_is_told_to_each_of_them_and_the_next_are_answered() -> None:
    called = Called()

    async def both() -> tuple[list[Any], list[Any]]:
        return await asked(called, b"a", b"broken"), await asked(called, b"c")

    first, second = asyncio.run(both())
    assert [type(one) for one in first] == [ZeroDivisionError, ZeroDivisionError]
    assert second == [b"C"]


def test_who_has_left_takes_no_answer_from_the_others() -> None:
    called = Called()

    async def left() -> bytes:
        together = Together(called)
        gone, stays = asyncio.ensure_future(together.ask(b"a")), asyncio.ensure_future(together.ask(b"b"))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(left()) == b"B"


class Transport:
    """Keeps what is written to it, call by call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append(b"closed")

    def is_closing(self) -> bool:
        return True


@pytest.fixture
def transport() -> Transport:
    return Transport()


def gathering(transport: Transport) -> Gathering:
    return Gathering(cast(asyncio.Transport, transport), asyncio.get_running_loop())


def test_head_and_body_of_a_turn_are_one_call(transport: Transport) -> None:
    async def write() -> None:
        own = gathering(transport)
        own.write(b"head ")
        own.write(b"body")
        assert transport.calls == []
        await asyncio.sleep(0)
        own.write(b"next")
        await asyncio.sleep(0)

    asyncio.run(write())
    assert transport.calls == [b"head body", b"next"]


def test_what_is_large_goes_at_once_in_its_place(transport: Transport) -> None:
    async def write() -> None:
        own = gathering(transport)
        own.write(b"head ")
        own.write(b"x" * (LARGE + 1))
        assert transport.calls == [b"head " + b"x" * (LARGE + 1)]
        own.write(b"end")
        await asyncio.sleep(0)

    asyncio.run(write())
    assert transport.calls[1:] == [b"end"]


def test_nothing_is_lost_when_it_is_closed_and_all_else_is_the_transport_s_own(transport: Transport) -> None:
    async def write() -> None:
        own = gathering(transport)
        own.write(b"last")
        own.close()
        await asyncio.sleep(0)
        assert own.is_closing()

    asyncio.run(write())
    assert transport.calls == [b"last", b"closed"]
