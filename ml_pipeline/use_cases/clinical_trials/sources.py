"""The public registry of trials, and the sponsor's own database of those that are to come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice

import numpy as np

from ml_pipeline.chain import chain
from ml_pipeline.columns import Category, Times
from ml_pipeline.connectors import JsonFiles, PagedJson, SqlQuery
from ml_pipeline.connectors.json_records import JsonRecords
from ml_pipeline.data.sources import Records, Window
from ml_pipeline.errors import UsageError
from ml_pipeline.use_cases.clinical_trials.dates import moments

SYNTHETIC = "synthetic:"
"""An address that begins so, and goes on with a number of studies, is nowhere: the records are made up."""
BATCH = 5000
PATHS = {
    "nct_id": "protocolSection.identificationModule.nctId",
    "former_ids": "protocolSection.identificationModule.nctIdAliases[]",
    "title": "protocolSection.identificationModule.briefTitle",
    "status": "protocolSection.statusModule.overallStatus",
    "start_date": "protocolSection.statusModule.startDateStruct.date",
    "updated": "protocolSection.statusModule.lastUpdatePostDateStruct.date",
    "sponsor": "protocolSection.sponsorCollaboratorsModule.leadSponsor.name",
    "sponsor_class": "protocolSection.sponsorCollaboratorsModule.leadSponsor.class",
    "study_type": "protocolSection.designModule.studyType",
    "phases": "protocolSection.designModule.phases[]",
    "allocation": "protocolSection.designModule.designInfo.allocation",
    "intervention_model": "protocolSection.designModule.designInfo.interventionModel",
    "purpose": "protocolSection.designModule.designInfo.primaryPurpose",
    "masking": "protocolSection.designModule.designInfo.maskingInfo.masking",
    "arm_labels": "protocolSection.armsInterventionsModule.armGroups[].label",
    "intervention_types": "protocolSection.armsInterventionsModule.interventions[].type",
    "conditions": "protocolSection.conditionsModule.conditions[]",
    "criteria": "protocolSection.eligibilityModule.eligibilityCriteria",
    "sex": "protocolSection.eligibilityModule.sex",
    "minimum_age": "protocolSection.eligibilityModule.minimumAge",
    "maximum_age": "protocolSection.eligibilityModule.maximumAge",
    "healthy_volunteers": "protocolSection.eligibilityModule.healthyVolunteers",
}
"""What is stored of a study, and where it stands; not enrolment, completion or results, which say how it ended."""
MODULES = sorted({path.split(".")[1][0].upper() + path.split(".")[1][1:] for path in PATHS.values()})
"""The parts of a study that these lie in, as the service's parameter `fields` calls them."""
TYPES = dict.fromkeys(PATHS, "string")


def known_at(updated: Category) -> Times:
    """Updates bear a day without time, so all of a day's are known when it is over."""
    return moments(updated) + np.timedelta64(1, "D")


def start(start_date: Category) -> Times:
    """The planned or actual start; of a month without a day, its first."""
    return moments(start_date)


def asked(window: Window) -> dict[str, str]:
    """The parameters of API v2 for interventional studies that were updated within the window."""
    first = f"{window.since - dt.timedelta(days=1):%Y-%m-%d}" if window.since else "MIN"
    updated = f"AREA[LastUpdatePostDate]RANGE[{first},{window.until:%Y-%m-%d}]"
    return {
        "filter.advanced": f"AREA[StudyType]INTERVENTIONAL AND {updated}",
        "fields": ",".join(MODULES),
        "pageSize": "1000",
    }


class Registry:
    """The registry's records from its API, from files of its JSON, or made up, as the address says."""

    types, adds = TYPES, chain(known_at)
    service = PagedJson(TYPES, paths=PATHS, asks=asked, pause=1.2)
    files = JsonFiles(TYPES, paths=PATHS)

    def read(self, window: Window) -> Iterator[Records]:
        """Records in the order in which they are given.

        Raises:
            UsageError: the address is none of the three.
        """
        if window.address.startswith(SYNTHETIC):
            return _made_up(window.address)
        reader = self.service if window.address.startswith(("http://", "https://")) else self.files
        return reader.read(window)


def _made_up(address: str) -> Iterator[Records]:
    from ml_pipeline.use_cases.clinical_trials.synthetic import studies

    count = address.removeprefix(SYNTHETIC)
    if not count.isdecimal():
        raise UsageError(
            "the address does not say how many studies to make up", given=address, expected=f"{SYNTHETIC}20000"
        )
    everything, flat = studies(int(count)), JsonRecords(TYPES, PATHS)
    while some := list(islice(everything, BATCH)):
        yield flat.records(some)._replace(synthetic=True)


now_health_data = Registry()

private_health_cloud = SqlQuery(
    {
        "trial_id": "string", "title": "string", "sponsor": "string", "sponsor_class": "string",
        "start_date": "string", "phases": "string", "allocation": "string", "intervention_model": "string",
        "purpose": "string", "masking": "string", "arms": "float64", "intervention_types": "string",
        "conditions": "string", "criteria": "string", "sex": "string", "minimum_age": "string",
        "maximum_age": "string", "healthy_volunteers": "string", "updated_at": "timestamp",
    },
    query="select * from trials",
    watermark="updated_at",
    adds=chain(start),
)  # fmt: skip
