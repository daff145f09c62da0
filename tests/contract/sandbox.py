"""A room without clock, chance, environment, files and network: whoever asks for one is told of.

What is replaced is replaced wherever the product or a use case has imported it. Other threads get what they ask for.
"""

from __future__ import annotations

import builtins
import datetime as dt
import io
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

CLOCK = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "localtime")
SEEDED = (np.random.RandomState, random.Random)
"""Types that are no chance if they are given a seed: so a library may fit that is given one."""
DATETIME = dt.datetime
DOORS = ("ml_pipeline", "random", "uuid")
"""Packages that may hold a clock or chance under a name of their own."""


class Guard:
    """Takes down what this thread asks for, and refuses it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._thread = threading.get_ident()

    def refuse(self, what: str) -> None:
        """Raises: AssertionError: this thread asked."""
        if threading.get_ident() == self._thread:
            self.asked.append(what)
            raise AssertionError(f"it asks for {what}")

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Refuse nothing meanwhile."""
        thread, self._thread = self._thread, 0
        try:
            yield
        finally:
            self._thread = thread

    def function(self, what: str, original: Callable[..., Any], *, unseeded: bool = False) -> Callable[..., Any]:
        """Refuses to be called; where it may be seeded, only without a seed."""

        def refused(*arguments: Any, **named: Any) -> Any:
            if not unseeded or (*arguments, *named.values(), None)[0] is None:
                self.refuse(what)
            return original(*arguments, **named)

        return refused

    def type_of_chance(self, original: type) -> type:
        """A stand-in for a type of generators: none without a seed, and those there are, are still of it."""
        guard, what = self, f"{original.__module__.partition('.')[0]}.{original.__name__}()"

        class Meta(type):
            def __call__(cls, *arguments: Any, **named: Any) -> Any:
                if (*arguments, *named.values(), None)[0] is None:
                    guard.refuse(what)
                with guard.looking_away():  # NumPy throws dice before it takes the seed
                    return original(*arguments, **named)

            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, original)

        return Meta(original.__name__, (original,), {})

    def type_of_moments(self, original: type, *asking: str) -> type:
        """A stand-in for a type, some of whose class methods tell the time."""

        class Meta(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, original)

        refused = {name: self.function(f"{original.__name__}.{name}", getattr(original, name)) for name in asking}
        return Meta(original.__name__, (original,), refused)

    def moment(self) -> type:
        """A stand-in for np.datetime64, which tells the time when it is given the word."""
        guard = self

        def new(cls: type, *given: Any) -> Any:
            if given[:1] in (("now",), ("today",)):
                guard.refuse(f"datetime64({given[0]!r})")
            return original(*given)

        original = np.datetime64
        stand_in = self.type_of_moments(original)
        stand_in.__new__ = new  # type: ignore[assignment, method-assign]
        return stand_in

    def environment(self) -> Any:
        """A stand-in for os.environ."""
        guard, original = self, os.environ

        class Environment(dict[str, str]):
            def __getattribute__(self, name: str) -> Any:
                guard.refuse(f"os.environ.{name}")
                return getattr(original, name)

            def __getitem__(self, name: str) -> str:
                guard.refuse(f"os.environ[{name!r}]")
                return original[name]

            def __contains__(self, name: object) -> bool:
                guard.refuse(f"{name!r} in os.environ")
                return name in original

            def __iter__(self) -> Iterator[str]:
                guard.refuse("os.environ")
                return iter(original)

        return Environment()


@contextmanager
def isolated(*packages: str) -> Iterator[None]:
    """Refuse everything to the product and to some packages.

    Raises:
        AssertionError: something was asked for, even if whoever asked went on without it.
    """
    guard = Guard()
    with pytest.MonkeyPatch.context() as patch:
        originals = {}
        for owner, name, stand_in in _replacements(guard):
            originals[id(vars(owner)[name])] = stand_in
            patch.setattr(owner, name, stand_in)
        for module, name, value in _imported({*DOORS, *packages}):
            if id(value) in originals:
                patch.setattr(module, name, originals[id(value)])
        try:
            yield
        finally:  # a chain reports what went wrong in a link as an error of its own
            assert not guard.asked, f"it asks for {', '.join(dict.fromkeys(guard.asked))}"


@contextmanager
def years_ago(years: int) -> Iterator[None]:
    """The product's clock is late."""
    late = dt.timedelta(days=365 * years)

    class Late(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return DATETIME.now(tz) - late

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda now=time.time: now() - late.total_seconds())
        patch.setattr(dt, "datetime", Late)
        yield


def _replacements(guard: Guard) -> Iterator[tuple[Any, str, Any]]:
    calls = [(time, name) for name in CLOCK]
    calls += [(os, "getenv"), (os, "open"), (os, "urandom"), (builtins, "open"), (io, "open"), (socket, "socket")]
    calls += [(random, name) for name in random.__all__ if not isinstance(getattr(random, name), type)]
    calls += [
        (np.random, name)
        for name in np.random.__all__
        if name != "default_rng" and not isinstance(getattr(np.random, name), type)
    ]
    for owner, name in calls:
        yield owner, name, guard.function(f"{owner.__name__}.{name}", getattr(owner, name))
    yield np.random, "default_rng", guard.function("np.random.default_rng()", np.random.default_rng, unseeded=True)
    for owner, own in zip((np.random, random), SEEDED, strict=True):
        yield owner, own.__name__, guard.type_of_chance(own)
    yield dt, "datetime", guard.type_of_moments(dt.datetime, "now", "utcnow", "today")
    yield dt, "date", guard.type_of_moments(dt.date, "today")
    yield np, "datetime64", guard.moment()
    yield os, "environ", guard.environment()


def _imported(packages: set[str]) -> Iterator[tuple[Any, str, Any]]:
    """What modules hold under a name of their own."""
    for module in [own for name, own in sys.modules.items() if name.partition(".")[0] in packages]:
        for name, value in [*vars(module).items()]:
            if name != "__builtins__":
                yield module, name, value
