"""Maintenance: one DAG for all use cases, `ml_pipeline.maintenance`, every night.

    sweep

Containers of stages that failed are kept for a while, to be looked at; it removes those that were kept long enough, and
warns of containers whose run is over. It removes parts of datasets, too, that nobody will finish.
"""

from ml_pipeline_airflow.sweep_operator import maintenance_dag

maintenance = maintenance_dag()
