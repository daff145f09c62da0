"""Online learning: one DAG for every use case whose pipeline.yaml says `learning`, `<use case>.online_learning`.

    ingest ─► prepare ─► combine ─► split ─► train ─► evaluate ─► (approve) ─► promote ─► <use case>.champion
    └──── one for each source ┘       │        └─ goes on from the champion
                                      └─ rows whose label became known since; some of their keys judge both models

The result is a model version like any other, and passes the same gate as those of offline training. It runs as
`schedule.learning` says, or on demand.
"""

from ml_pipeline_airflow.builder import build_dags

for use_case, dag in build_dags("learning").items():
    globals()[f"{use_case}_online_learning"] = dag
