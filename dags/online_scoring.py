"""Online scoring: one DAG for every use case, `<use case>.online_scoring`, every day or after every promotion.

    ingest ─► prepare ─► combine ─► serve ─► postprocess
    └──── one for each source ┘       └─ the champion of offline training

The same Handlers and Models as offline, so the two cannot drift apart; the same chain answers over REST.
"""

from ml_pipeline_airflow.builder import build_dags

for use_case, dag in build_dags("online").items():
    globals()[f"{use_case}_online_scoring"] = dag
