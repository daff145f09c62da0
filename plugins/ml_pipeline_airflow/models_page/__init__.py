"""The page Models in Airflow's UI: use cases, their models, who is champion, and the buttons of those who decide."""
