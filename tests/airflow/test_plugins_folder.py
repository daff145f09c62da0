from __future__ import annotations

from pathlib import Path

import pytest
from airflow._shared.module_loading.file_discovery import find_path_from_directory

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_airflow_imports_no_module_of_ours_as_a_plugin_of_its_own() -> None:
    found = {Path(path).name for path in find_path_from_directory(str(PLUGINS), ".airflowignore", "glob")}
    assert {name for name in found if name.endswith(".py")} <= {"plugin.py"}
