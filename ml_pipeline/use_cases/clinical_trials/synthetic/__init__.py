"""Made-up records of the registry and of a sponsor's own trials, for where there is no network, and for tests.

They look like the real ones: fields, levels and their shares, ages as text, months without a day, modules that are
missing, and what leaks the outcome (actual enrolment, dates of completion, reasons of stopping, results). Every title
and organization says that it is synthetic. The same arguments give the same records.

Planted truth: a trial completes with the `probability` that follows from its own content by `EFFECTS`, the same at all
times. How long it takes has nothing to do with how it ends, so those that have ended by a day are a fair sample.

Planted drift: of trials that start in 2019 or later, more test devices, behaviour and other things than drugs, fewer
are blinded, and some study a condition that nobody had before (`NEW_CONDITION`). Effects stay what they are.

Planted faults: `BAD_KINDS`, all in interventional trials, so each is one that ought to be set aside. Besides, some
studies come again with a later update, under the same id or under a new one with the old as its alias; these are good.
"""

from __future__ import annotations

from ml_pipeline.use_cases.clinical_trials.synthetic.planted import BAD_KINDS
from ml_pipeline.use_cases.clinical_trials.synthetic.registry import sponsor_trials, studies
from ml_pipeline.use_cases.clinical_trials.synthetic.trial import DRIFT
from ml_pipeline.use_cases.clinical_trials.synthetic.truth import EFFECTS, probability
from ml_pipeline.use_cases.clinical_trials.synthetic.words import NEW_CONDITION

__all__ = ["BAD_KINDS", "DRIFT", "EFFECTS", "NEW_CONDITION", "probability", "sponsor_trials", "studies"]
