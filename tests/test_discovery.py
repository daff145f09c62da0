from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from ml_pipeline import discovery
from ml_pipeline.discovery import find, names
from ml_pipeline.errors import ConfigError, UsageError

PIPELINE = """
question: Will it rain?
key: day
time: noon
label: rain
model: models.Rain
postprocess: models.Umbrella
sources:
  days: {reader: sources.days, prepare: models.Days, known: evening, drives: true}
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with an entry point on the path, as pip would."""

    def installed(name: str = "weather", package: str = "weather_case", **files: str) -> Path:
        folder = tmp_path / package
        folder.mkdir()
        for stem, content in {"__init__": "", **files}.items():
            suffix = ".yaml" if stem == "pipeline" else ".py"
            (folder / (stem + suffix)).write_text(dedent(content), encoding="utf-8")
        info = tmp_path / f"{package}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[ml_pipeline.use_cases]\n{name} = {package}\n")
        return folder

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    discovery._packages.cache_clear()
    yield installed
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
    discovery._packages.cache_clear()


def test_every_folder_with_a_pipeline_is_a_use_case() -> None:
    folders = {path.parent.name for path in discovery.BUILT_IN.glob("*/pipeline.yaml")}
    assert folders
    assert set(names()) >= folders


@pytest.mark.parametrize("name", names())
def test_everything_a_use_case_names_can_be_loaded(name: str) -> None:
    use_case = find(name)
    config = use_case.config
    for source in config.sources.values():
        assert use_case.load(source.prepare)
        if source.reader:
            assert use_case.load(source.reader).types
    assert use_case.load(config.model).inputs()
    assert use_case.load(config.postprocess).steps


def test_an_installed_package_brings_its_use_case(install: Install) -> None:
    folder = install(pipeline=PIPELINE, models="class Rain:\n    answer = 42\n")
    assert "weather" in names()
    use_case = find("weather")
    assert (use_case.config.name, use_case.folder, use_case.package) == ("weather", folder, "weather_case")
    assert use_case.load("models.Rain").answer == 42


def test_a_built_in_use_case_is_not_replaced_by_one_that_is_installed(install: Install) -> None:
    install(name="flights", pipeline=PIPELINE)
    assert find("flights").package == "ml_pipeline.use_cases.flights"


class TestFolders:
    """Use cases in folders that the environment names."""

    @pytest.fixture
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        folder = tmp_path / "elsewhere/weather"
        folder.mkdir(parents=True)
        (folder / "pipeline.yaml").write_text(PIPELINE)
        (folder / "models.py").write_text("from ml_pipeline.use_cases.weather.numbers import answer\n")
        (folder / "numbers.py").write_text("answer = 42\n")
        monkeypatch.setenv(discovery.FOLDERS, str(folder.parent))
        before = set(sys.modules)
        discovery._packages.cache_clear()
        yield folder
        for module in set(sys.modules) - before:
            sys.modules.pop(module)
        monkeypatch.undo()
        discovery._packages.cache_clear()
        names()

    def test_a_use_case_is_found_and_imported_by_the_name_it_has_in_every_container(self, elsewhere: Path) -> None:
        assert {"weather", "flights"} <= set(names())
        use_case = find("weather")
        assert (use_case.folder, use_case.package) == (elsewhere, "ml_pipeline.use_cases.weather")
        assert use_case.load("models.answer") == 42
        assert not use_case.built_in
        assert find("flights").built_in

    def test_a_folder_that_is_not_there_is_told(self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(discovery.FOLDERS, f"{elsewhere.parent}:/not/there")
        discovery._packages.cache_clear()
        with pytest.raises(UsageError, match=r"names a folder that is not there. Given: /not/there"):
            names()

    def test_a_built_in_use_case_is_not_replaced(self, elsewhere: Path) -> None:
        (elsewhere.parent / "flights").mkdir()
        (elsewhere.parent / "flights/pipeline.yaml").write_text(PIPELINE)
        discovery._packages.cache_clear()
        assert find("flights").folder == discovery.BUILT_IN / "flights"

    def test_a_folder_whose_name_is_no_name_is_left_alone(self, elsewhere: Path) -> None:
        (elsewhere.parent / "not-a-name").mkdir()
        (elsewhere.parent / "not-a-name/pipeline.yaml").write_text(PIPELINE)
        discovery._packages.cache_clear()
        assert "not-a-name" not in names()


@pytest.mark.parametrize(
    ("address", "means"),
    [
        ("", ""),
        ("data/days.csv", "{folder}/data/days.csv"),
        ("/srv/days.csv", "/srv/days.csv"),
        ("s3://bucket/days", "s3://bucket/days"),
        ("store:days.csv", "s3://house/weather/days.csv"),
        ("sqlite:days.sqlite", "sqlite:{folder}/days.sqlite"),
        ("sqlite:/srv/days.sqlite", "sqlite:/srv/days.sqlite"),
        ("sqlite:store:days.sqlite", "sqlite:s3://house/weather/days.sqlite"),
        ("postgresql://reader@host/days", "postgresql://reader@host/days"),
        ("synthetic:100", "synthetic:100"),
    ],
)
def test_where_a_source_is_does_not_depend_on_where_anybody_stands(install: Install, address: str, means: str) -> None:
    folder = install(pipeline=PIPELINE)
    use_case = find("weather", {"sources.days.address": address})
    assert use_case.address("days", "s3://house/") == means.format(folder=folder)


def test_parameters_replace_keys(install: Install) -> None:
    install(pipeline=PIPELINE)
    config = find("weather", {"split.test": "9d", "evaluate.floors": {"roc_auc": 0.6}, "seed": 3}).config
    assert (config.split.test, config.evaluate.floors, config.seed) == ("9d", {"roc_auc": 0.6}, 3)
    assert find("weather").config.split.test == "60d"


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"there is no use case 'flihgts'.*one of .*flights.*ml-pipeline new flihgts"):
        find("flihgts")


@pytest.mark.parametrize("name", ["", "..", "flights/../flights", "FLIGHTS"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(UsageError, match="there is no use case"):
        find(name)


def test_a_package_without_pipeline_is_told_so(install: Install) -> None:
    install()
    with pytest.raises(ConfigError, match=r"weather has no pipeline\.yaml.*weather_case"):
        find("weather")


def test_an_entry_point_to_nowhere_is_told_so(install: Install) -> None:
    install(name="weather", package="weather_case", pipeline=PIPELINE)
    (Path(sys.path[0]) / "weather_case-1.dist-info/entry_points.txt").write_text(
        "[ml_pipeline.use_cases]\nweather = not_there.at_all\n"
    )
    discovery._packages.cache_clear()
    with pytest.raises(ConfigError, match=r"weather has no pipeline\.yaml.*not_there"):
        find("weather")


def test_a_pipeline_that_is_no_text_is_told_so(install: Install) -> None:
    folder = install(pipeline=PIPELINE)
    (folder / "pipeline.yaml").write_bytes(b"question: \xff\xfe")
    with pytest.raises(ConfigError, match=r"pipeline\.yaml of weather is not UTF-8"):
        find("weather")


@pytest.mark.parametrize(
    ("content", "reference", "says"),
    [
        ("", "models.Rain", "models.*has no attribute 'Rain'"),
        ("", "modles.Rain", "No module named"),
        ("", "Rain", "Rain"),
        ("import surely_not_installed", "models.Rain", "No module named 'surely_not_installed'.*install"),
        ("from ml_pipeline.models import Nothing", "models.Rain", "cannot import name 'Nothing'"),
        ("def broken(:", "models.Rain", "line 1"),
        ("class Rain:\n    drops = many", "models.Rain", "NameError: name 'many' is not defined, models.py line 2"),
        ("open('/not/there')", "models.Rain", "No such file.*models.py line 1"),
    ],
)
def test_a_reference_that_cannot_be_loaded_is_named(install: Install, content: str, reference: str, says: str) -> None:
    install(pipeline=PIPELINE, models=content)
    with pytest.raises(ConfigError, match=rf"names '{reference}', which cannot be loaded.*{says}"):
        find("weather").load(reference)
