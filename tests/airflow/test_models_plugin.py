"""The plugin is cheap for those that load it and do not show it, and says where the page is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ml_pipeline_airflow.models_page.address import framed_url, page_url

HEAVY = {"numpy", "pandas", "pyarrow", "docker", "obstore", "ml_pipeline.report", "ml_pipeline.artifacts"}
PLUGINS = Path(__file__).parents[2] / "plugins"


def test_loading_the_plugin_imports_nothing_of_the_page() -> None:
    code = "import sys, airflow.plugins_manager; old = set(sys.modules); import ml_pipeline_airflow.plugin; "
    code += "print(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, capture_output=True, text=True, check=True)
    assert "ml_pipeline_airflow.plugin" in done.stdout
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_airflow_finds_it_in_its_folder_of_plugins() -> None:
    from airflow._shared.plugins_manager import _load_plugins_from_plugin_directory

    found, problems = _load_plugins_from_plugin_directory(plugins_folder=str(PLUGINS), ignore_file_syntax="glob")
    assert problems == {}
    assert [plugin.name for plugin in found] == ["ml_pipeline"]


def test_addresses_are_below_the_path_that_airflow_is_served_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_url("a b", "models", "c/d") == "/ml-pipeline/a%20b/models/c%2Fd"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/team/")
    assert page_url("parcels") == "/team/ml-pipeline/parcels"
    assert framed_url("parcels") == "/team/plugin/models/team/ml-pipeline/parcels"


def test_getting_ready_makes_no_store(tmp_path: Path, airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_pipeline_airflow.models_page.app import ready

    monkeypatch.setenv("ML_PIPELINE_STORE", str(tmp_path / "store"))
    ready()
    assert not (tmp_path / "store").exists(), "it would belong to the API server, and containers could not write to it"
