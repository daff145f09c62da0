"""All that knows Airflow and Docker: operators that run stages, and the builder that turns stages into DAGs."""
