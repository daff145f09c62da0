"""The files of a new use case."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from ml_pipeline.errors import UsageError
from ml_pipeline.scaffold.draft import Draft
from ml_pipeline.scaffold.table import FEW
from ml_pipeline.scaffold.understood import reason

WIDTH = 120
NO_TEXTS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan")
"""Words that mean something else in YAML."""


def write(draft: Draft, folder: Path) -> None:
    """Write `__init__.py`, `pipeline.yaml`, `sources.py` and `models.py` into a folder."""
    made = {"__init__.py": _package, "pipeline.yaml": _pipeline, "sources.py": _sources, "models.py": _models}
    for name, content in made.items():
        (folder / name).write_text(content(draft), encoding="utf-8")


def new_folder(name: str, parent: Path) -> Path:
    """Where a use case of that name will lie.

    Raises:
        UsageError: the name cannot be one, or is taken, or there is no folder for it.
    """
    folder = parent / name
    if not parent.is_dir():
        raise UsageError("the folder for it is not there", given=parent, do="make the folder, or correct the name")
    if not name.isidentifier() or name != name.lower():
        raise UsageError(
            "this cannot be the name of a use case",
            given=name,
            expected="lower-case letters, digits and underscores, such as late_parcels",
        )
    if folder.exists():
        raise UsageError(
            "there is something of that name already", given=folder, do="choose another name, or remove it"
        )
    return folder


def _package(draft: Draft) -> str:
    question = _question(draft).replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{question}"""\n'


def _question(draft: Draft) -> str:
    return f"Will {draft.asked.label} be {draft.positive or 1}?"


def _pipeline(draft: Draft) -> str:
    asked = draft.asked
    split = ", ".join(f"{key}: {value}" for key, value in draft.split.items())
    levels = [name for name in draft.features("level") if draft.columns[name].distinct <= 20]
    return f"""\
question: {_scalar(_question(draft))}
key: {_scalar(asked.key)}
time: {_scalar(asked.time)}
{_noted("timezone: UTC", "moments without an offset are in UTC")}
{_noted("horizon: 0s", "how long before its time a row is predicted")}
{_noted(f"ahead: {draft.ahead}", "a scoring run takes the rows whose time is so near")}
{_noted(f"behind: {draft.behind}", "and those whose time is so long past, if their label is empty")}
label: {_scalar(asked.label)}

sources:
  {draft.name}:
    reader: sources.{draft.name}
    # A file or a folder of files, here or in object storage: s3://bucket/folder, store:folder
    address: {_scalar(draft.address)}
    prepare: models.Prepare
    drives: true
{_noted("    revised: true", "the whole file is read every time; of rows with one key the last counts,")}
{_noted("", "and a row is learnt from as soon as the file gives its label")}
{_noted("    # known: COLUMN", "when a record became known; then only what is new is read, and later")}
{_noted("", "records are invisible to a run as of an earlier moment")}
{_truth(draft)}

split: {{{split}}}
model: models.Model
postprocess: models.Answer
evaluate:
  floors: {{roc_auc: 0.55}}        # what a model must reach to be promoted
  slices: [{", ".join(map(_scalar, levels[:3]))}]
schedule: {{offline: "0 2 * * *", online: "0 4 * * *"}}
quarantine: {{at_most: 1%}}
resources: {{memory: 2GB, cpus: 2}}
"""


def _truth(draft: Draft) -> str:
    """Columns that give the label away are emptied before anything is scored."""
    names, margin = draft.truth(), " " * 6
    note = "    # Columns that are known only together with the label: they are empty where a row is scored"
    if not names:
        return f"{note}\n    truth: []"
    found = f"{margin[2:]}# These alone give the label away: check them; models.Prepare leaves them out"
    line = f"    truth: [{', '.join(map(_scalar, names))}]"
    listed = (
        line if len(line) <= WIDTH else f"    truth:\n{chr(10).join(f'{margin}- {_scalar(name)}' for name in names)}"
    )
    return f"{note}\n{found}\n{listed}"


def _scalar(text: str) -> str:
    """A text as YAML takes it for one; in quotes where it could be taken for anything else."""
    plain = re.fullmatch(r"[A-Za-z_/.][\w/. ?-]*(?<! )", text, re.ASCII) and text.lower() not in NO_TEXTS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _noted(line: str, note: str) -> str:
    """Notes stand under one another."""
    return f"{line:<32} # {note}"


def _sources(draft: Draft) -> str:
    types = "".join(f'        {_quoted(name)}: "{_type(draft, name)}",\n' for name in draft.columns)
    words = ", ".join(map(_quoted, ("NA", *draft.missing)))
    missing = f"    missing=({words}),  # words that stand for no value\n" if draft.missing else ""
    synthetic = "    synthetic=True,  # made up; remove this line with the file\n" if draft.synthetic else ""
    return f'''\
"""Where the records come from: pipeline.yaml says where they are, this says what they look like."""

from __future__ import annotations

from ml_pipeline.connectors import CsvFiles

{draft.name} = CsvFiles(
    {{
{types}    }},
{_names(draft)}{missing}{synthetic})
'''


def _names(draft: Draft) -> str:
    """What columns are called in the file, where it is not what they are called here."""
    if not draft.names:
        return ""
    pairs = "".join(f"        {_quoted(own)}: {_quoted(there)},\n" for own, there in draft.names.items())
    return f"    names={{\n{pairs}    }},\n"


def _type(draft: Draft, name: str) -> str:
    return "string" if name == draft.asked.key else draft.columns[name].type


def _models(draft: Draft) -> str:
    asked = draft.asked
    learnt = [name for role in ("number", "level", "text") for name in draft.features(role)]
    links = _links(draft)
    names = sorted({link.partition("(")[0] for link in links} | {"LogisticRegression"})
    steps = [
        *([asked.label] if draft.positive else []),
        _call("keep", [asked.key, asked.time, *learnt, asked.label], 8),
    ]
    return f'''\
"""The arithmetic: what is kept of a record, the model, and what people get to see."""

from __future__ import annotations

import numpy as np

from ml_pipeline.chain import Chain, Preparation, chain, keep
from ml_pipeline.columns import Category, Floats
from ml_pipeline.models import {", ".join(names)}

BANDS = ("low", "moderate", "high")
BAND_BORDERS = (0.25, 0.5)
"""Probabilities at which the next band begins."""


{_label(draft)}class Prepare(Preparation):
    """What is known of a record when it is scored, and the label."""

{_left_out(draft)}
    steps = {_chain(steps)}  # fmt: skip


class Model(Chain):
    """A logistic regression; what its features learn, they learn from the training rows alone."""

    features = (
{"".join(f"        {link}," + chr(10) for link in links)}    )  # fmt: skip
    estimator = LogisticRegression(ridge=(300.0, 100.0, 30.0, 10.0, 3.0))


def probability(prediction: Floats) -> Floats:
    """To three digits."""
    return np.round(prediction, 3)


def band(prediction: Floats) -> Category:
    """The probability in a word."""
    return Category(np.searchsorted(BAND_BORDERS, prediction, side="right").astype(np.int32), BANDS)


class Answer(Preparation):
    """The table that people use, one row for each record."""

    steps = chain(
        probability, band,
        keep("{asked.key}", "{asked.time}", "rank", "probability", "band", "prediction", "model_version"),
    )  # fmt: skip
'''


def _left_out(draft: Draft) -> str:
    names = [*draft.left_out(), *draft.features("leak")]
    unused = [f"{name} ({reason(draft.columns[name])})" for name in names]
    said = f"Left out: {', '.join(unused)}." if unused else "All columns of the file are kept."
    return textwrap.fill(said, WIDTH, initial_indent="    # ", subsequent_indent="    # ")


def _label(draft: Draft) -> str:
    label = draft.asked.label
    if not draft.positive:
        return ""
    return f'''\
def {label}({label}: Category) -> Floats:
    """1 for {draft.positive!r}, 0 for {draft.negative!r}; not known where there is another word, or none."""
    worth = {{{_quoted(draft.positive)}: 1.0, {_quoted(draft.negative)}: 0.0}}
    known = [worth.get(word.strip().lower(), np.nan) for word in {label}.vocabulary]
    return np.asarray({label}.map(known, np.nan), np.float64)


'''


def _links(draft: Draft) -> list[str]:
    numbers, levels, texts = (draft.features(role) for role in ("number", "level", "text"))
    bent = [name for name in numbers if draft.columns[name].distinct > FEW]
    links = [
        _call("Impute", numbers, 8) if numbers else "",
        _call("Spline", bent, 8, "knots=6") if bent else "",
        _call("Levels", levels, 8, "rare=20") if levels else "",
        _call("HashedText", texts, 8, "buckets=1024", "ngrams=2") if texts else "",
        "Standardise()",
    ]
    return list(filter(None, links))


def _call(function: str, names: Sequence[str], indent: int, *more: str) -> str:
    """A call with names of columns, on as many lines as it takes."""
    arguments = ", ".join([*map(_quoted, names), *more])
    line = f"{function}({arguments})"
    if len(line) + indent + 1 <= WIDTH:
        return line
    margin, lines = " " * (indent + 4), list[str]()
    for argument in [*map(_quoted, names), *more]:
        if lines and len(f"{lines[-1]} {argument},") <= WIDTH:
            lines[-1] += f" {argument},"
        else:
            lines.append(f"{margin}{argument},")
    inner = "\n".join(lines)
    return f"{function}(\n{inner}\n{' ' * indent})"


def _chain(steps: Sequence[str]) -> str:
    line = f"chain({', '.join(steps)})"
    if len(line) + len("    steps =   # fmt: skip") <= WIDTH:
        return line
    return "".join(["chain(\n", *(f"        {step},\n" for step in steps), "    )"])


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)
