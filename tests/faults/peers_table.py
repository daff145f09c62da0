"""What was seen, in words: a table of both tasks under every fault, and what each of them raised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.faults.peers_case import Seen
from tests.faults.peers_faults import Fault

Found = Mapping[Fault, Sequence[Seen]]
"""What came of each fault: of the stock task, then of ours."""

WIDTH = 130
ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class Phrase(NamedTuple):
    """Something that was seen, and whether it should not be so."""

    text: str
    wrong: bool = False


def table(found: Found) -> str:
    """A row of Markdown for each fault; what is wrong is bold."""
    return _rows((fault.name, *(_cell(fault, seen) for seen in both)) for fault, both in found.items())


def errors(found: Found) -> str:
    """What the try that was struck raised last, where it raised something."""
    raised = {fault: [_short(seen.errors[0]) if seen.errors else "" for seen in both] for fault, both in found.items()}
    return _rows((fault.name, *both) for fault, both in raised.items() if any(both))


def phrases(fault: Fault, seen: Seen) -> Iterator[Phrase]:
    """All that there is to say of one task."""
    yield _state(seen)
    yield Phrase("ran once" if seen.runs == 1 else f"ran {seen.runs} times")
    if seen.at_once > 1:
        yield Phrase(f"{seen.at_once} at once", wrong=True)
    if seen.published > 1:
        yield Phrase(f"published {seen.published} times", wrong=True)
    yield from _left(seen)
    if fault.cause and seen.errors:
        yield _cause(fault.cause, seen.errors)
    if seen.leaks:
        yield Phrase(f"secret in {' and '.join(seen.leaks)}", wrong=True)
    if seen.hung:
        yield Phrase("hung", wrong=True)


def _state(seen: Seen) -> Phrase:
    """Success is true where the stage has left its result, and failure where it has not."""
    at = f" at try {seen.tries}" if seen.tries > 1 else ""
    untrue = (seen.state == "success") != seen.finished
    but = f", although the work was {'' if seen.finished else 'not '}done" if untrue else ""
    return Phrase(f"{seen.state}{at}{but}", untrue or seen.state not in ("success", "failed"))


def _left(seen: Seen) -> Iterator[Phrase]:
    if not seen.left:
        yield Phrase("nothing left")
    for status, count in Counter(seen.left).items():
        kept = status == "kept"
        yield Phrase(f"{count} {status} to be looked at" if kept else f"{count} left {status}", wrong=not kept)


def _cause(cause: str, raised: Sequence[str]) -> Phrase:
    if re.search(cause, raised[0], re.IGNORECASE):
        return Phrase("says why")
    if re.search(cause, " ".join(raised[1:]), re.IGNORECASE):
        return Phrase("says why only in the traceback")
    return Phrase("does not say why", wrong=True)


def _cell(fault: Fault, seen: Seen) -> str:
    said = [*phrases(fault, seen)]
    verdict = Phrase("wrong", wrong=True) if any(phrase.wrong for phrase in said) else Phrase("right")
    shown = [f"**{phrase.text}**" if phrase.wrong else phrase.text for phrase in (verdict, *said)]
    return f"{shown[0]}: {'; '.join(shown[1:])}"


def _short(error: str) -> str:
    """In one line, ids of containers as people write them."""
    text = ID.sub(r"\1", " ".join(error.split())).replace("|", "\\|")
    return text if len(text) <= WIDTH else f"{text[:WIDTH]} …"


def _rows(rows: Iterator[tuple[str, ...]]) -> str:
    head = [("fault", "stock DockerOperator", "StageOperator"), ("---", "---", "---")]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])
