"""What a try read and wrote in OpenLineage's words; only the provider, which sends them, asks for it."""

from __future__ import annotations

from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from attrs import define
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    dataset_version_dataset,
    datasource_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    tags_dataset,
)

from ml_pipeline_airflow.lineage import Lineage, Thing

FACET = "mlPipeline_result"
"""Name of the facet of a run that is our own."""


@define
class ResultRunFacet(RunFacet):
    """What the steps of a task found.

    `steps` says of each whether it is done, reused or skipped; `quarantined` how many records were set aside, by
    reason; `synthetic` which sources' records were made up by a program.
    """

    useCase: str  # noqa: N815 - OpenLineage's spelling
    mode: str
    pipelineRun: str  # noqa: N815
    asOf: str  # noqa: N815
    steps: dict[str, str]
    systemVersion: str  # noqa: N815
    modelVersion: str  # noqa: N815
    synthetic: list[str]
    quarantined: dict[str, int]
    verdict: dict[str, Any] | None


def lineage_of(found: Lineage | None) -> OperatorLineage[Any, Any]:
    """What the provider adds to an event of the task; nothing where nothing is known."""
    if found is None:
        return OperatorLineage()
    return OperatorLineage(
        inputs=[_input(thing) for thing in found.inputs],
        outputs=[_output(thing) for thing in found.outputs],
        run_facets={FACET: ResultRunFacet(**found.facts)},
    )


def _input(thing: Thing) -> InputDataset:
    own: dict[str, InputDatasetFacet] = {}
    if thing.rows is not None:
        own["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=thing.rows, size=thing.bytes
        )
    return InputDataset(thing.namespace, thing.name, inputFacets=own, facets=_facets(thing))


def _output(thing: Thing) -> OutputDataset:
    own: dict[str, OutputDatasetFacet] = {}
    if thing.rows is not None:
        own["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=thing.rows, size=thing.bytes
        )
    return OutputDataset(thing.namespace, thing.name, outputFacets=own, facets=_facets(thing))


def _facets(thing: Thing) -> dict[str, DatasetFacet]:
    found: dict[str, DatasetFacet] = {}
    if thing.called:
        root = thing.namespace if "://" in thing.namespace else f"{thing.namespace}://"
        found["dataSource"] = datasource_dataset.DatasourceDatasetFacet(name=thing.namespace, uri=root)
        found["tags"] = _tags({"use_case": thing.use_case, "artifact": thing.called})
    if thing.digest:
        found["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(thing.digest)
    if thing.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(*column) for column in thing.columns.items()]
        found["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    return found


def _tags(tags: dict[str, str]) -> tags_dataset.TagsDatasetFacet:
    fields = [tags_dataset.TagsDatasetFacetFields(*tag, source="ml-pipeline") for tag in tags.items()]
    return tags_dataset.TagsDatasetFacet(fields)
