"""Nightly training and daily scoring as chains of stateless models behind Airflow."""
