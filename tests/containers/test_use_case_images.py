"""Images of use cases that do not come with ml_pipeline: in a folder of the user's, and in the user's own package."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ml_pipeline_airflow import images, mounts
from ml_pipeline_airflow.containers import mount

from containers import build
from containers.use_case_images import own_images
from ml_pipeline import discovery
from ml_pipeline.contract import StageRequest, StageResult, run_key
from ml_pipeline.errors import ConfigError
from tests.containers.conftest import left

Find = Callable[[str], Any]
Run = Callable[..., str]

KINDS = ("api", "data", "serve", "train")
STEPS = ["ingest.days", "prepare.days", "combine", "split", "train", "evaluate", "promote"]
PIPELINE = """\
question: Will it rain?
key: day
time: noon
label: wet
model: models.Rain
postprocess: models.Umbrella
sources:
  days: {reader: sources.days, address: ADDRESS, prepare: models.Days, known: evening, drives: true}
split: {validation: 10d, test: 20d}
evaluate: {replicates: 20}
"""
SOURCES = '''\
"""A CSV file, wherever it is."""

from ml_pipeline.connectors import CsvFiles

days = CsvFiles({"day": "string", "noon": "timestamp", "evening": "timestamp", "wind": "float64", "wet": "float64"})
'''
MODELS = '''\
"""Rain follows the wind."""

from ml_pipeline.chain import Chain, Preparation, chain, keep
from ml_pipeline.models import LogisticRegression, Standardise


class Days(Preparation):
    steps = chain(keep("day", "noon", "evening", "wind", "wet"))


class Rain(Chain):
    features = (Standardise("wind"),)
    estimator = LogisticRegression(ridge=(1.0,))


class Umbrella(Preparation):
    steps = chain(keep("day", "noon", "prediction", "model_version"))
'''
SECRET = "a-use-case-secret.invalid"
"""A host that pip is told to trust; by it the builds of these tests are known."""
HELD = "print(open('/etc/ml-pipeline/contents.json').read())"
"""A program that tells an image's contents."""


def records() -> str:
    """Ninety days; the windy ones are mostly wet."""
    lines = ["day,noon,evening,wind,wet"]
    for number in range(90):
        day, wind = dt.date(2024, 1, 1) + dt.timedelta(number), number * 7 % 11
        lines.append(f"d{number},{day}T12:00:00Z,{day}T20:00:00Z,{wind},{int(wind + number % 3 > 6)}")
    return "\n".join([*lines, ""])


def write(folder: Path, address: str, **requirements: str) -> Path:
    """A use case, with what editors and interpreters leave beside it."""
    (folder / "requirements").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for kind, text in requirements.items():
        (folder / f"requirements/{kind}.txt").write_text(text)
    files = {"__init__.py": '"""Rain."""\n', "sources.py": SOURCES, "models.py": MODELS, "words.txt": "wet\n"}
    left = {"__pycache__/models.cpython-311.pyc": "stale", ".models.py.swp": "hush", "old.pyc": "stale"}
    for name, text in (files | left | {"pipeline.yaml": PIPELINE.replace("ADDRESS", address)}).items():
        (folder / name).write_text(text)
    return folder


def install(site: Path, package: str, name: str, address: str) -> Path:
    """A package with an entry point, as an editable installation leaves it; gives the use case's folder."""
    folder = write(site / package.replace(".", "/"), address)
    (site / package.partition(".")[0] / "__init__.py").touch()
    metadata = site / "rainy_days-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: rainy-days\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[ml_pipeline.use_cases]\n{name} = {package}\n")
    (metadata / "direct_url.json").write_text('{"url": "file:///home/somebody"}')
    return folder


@contextmanager
def found(folders: Path, site: Path) -> Iterator[pytest.MonkeyPatch]:
    """Use cases in these two places are found, and no module of theirs stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(discovery.FOLDERS, str(folders))
        patch.syspath_prepend(str(site))
        discovery._packages.cache_clear()
        yield patch
    for module in [name for name in sys.modules if name.partition(".")[0] == "rainy"]:
        del sys.modules[module]
    discovery._packages.cache_clear()


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder for use cases and one for packages, both empty."""
    folders, site = tmp_path / "cases", tmp_path / "site"
    folders.mkdir()
    site.mkdir()
    with found(folders, site):
        yield folders, site


def names_of(name: str) -> set[str]:
    """The files that make the first image of a use case."""
    return set(own_images(name)[0].files)


def test_a_use_case_that_comes_with_ml_pipeline_shares_images() -> None:
    assert own_images("flights") == []
    assert images.needed(discovery.find("flights"))["train"] == "ml-pipeline/train:latest"


def test_one_that_requires_more_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = write(tmp_path / "flights", "days.csv", train="tabulate\n")
    monkeypatch.setattr(discovery, "BUILT_IN", tmp_path)
    use_case = discovery.find("flights")._replace(folder=folder)
    assert use_case.built_in
    assert images.needed(use_case)["train"] == "ml-pipeline/flights-train:latest"


def test_a_folder_brings_its_code_and_its_requirements_but_not_what_was_left_there(places: tuple[Path, Path]) -> None:
    write(places[0] / "Rain", "days.csv", train="-r more.txt\n", more="tabulate\n")
    code = "code/ml_pipeline/use_cases/Rain"
    own = {f"{code}/{name}" for name in ("__init__.py", "models.py", "sources.py", "pipeline.yaml", "words.txt")}
    required = {"requirements/api.txt", "requirements/train.txt", "requirements/more.txt"}
    assert names_of("Rain") == own | required | {"Dockerfile"}
    assert [(image.name, image.kind) for image in own_images("Rain")] == [(f"rain-{kind}", kind) for kind in KINDS]
    assert {image.files["requirements/train.txt"] for image in own_images("Rain")} == {b"-r more.txt\n"}


def test_a_package_brings_all_of_its_code_and_its_entry_point(places: tuple[Path, Path]) -> None:
    install(places[1], "rainy.cases", "rain", "days.csv")
    (places[1] / "rainy/shared.py").write_text("")
    code = {f"code/rainy/{name}" for name in ("__init__.py", "shared.py", "cases/models.py", "cases/pipeline.yaml")}
    assert code <= names_of("rain")
    found = {name for name in names_of("rain") if "dist-info" in name}
    assert found == {f"code/rainy_days-1.2.dist-info/{name}" for name in ("METADATA", "entry_points.txt")}


def test_a_namespace_is_not_brought_whole(places: tuple[Path, Path]) -> None:
    install(places[1], "rainy.cases", "rain", "days.csv")
    (places[1] / "rainy/__init__.py").unlink()
    (places[1] / "rainy/of_others.py").write_text("")
    assert "code/rainy/cases/models.py" in names_of("rain")
    assert "code/rainy/of_others.py" not in names_of("rain")


def test_names_that_an_engine_would_refuse_are_changed_and_stay_different(places: tuple[Path, Path]) -> None:
    for name in ("_rain", "rain_", "räin"):
        write(places[0] / name, "days.csv")
    made = [images.short_name(discovery.find(name), "data") for name in ("_rain", "rain_", "räin")]
    assert len(set(made)) == 3
    assert all(images.NAME.fullmatch(name) for name in made)


def test_a_broken_use_case_does_not_stop_the_others(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_broken", "rain"):
        write(places[0] / name, "days.csv")
    (places[0] / "a_broken/pipeline.yaml").write_text("question: [")
    built: list[str] = []
    monkeypatch.setattr(build, "connect", lambda: None)
    monkeypatch.setattr(build, "base_image", lambda _: "os")
    monkeypatch.setattr(build, "print_table", built.extend)
    monkeypatch.setattr(build, "build", lambda *_: type("Image", (), {"id": "i", "attrs": {"Size": 1}}))
    assert build.main() == 1
    assert {"base", *KINDS, "rain-data", "rain-serve", "rain-train"} <= set(built)
    assert "the use case a_broken lacks images: pipeline.yaml of a_broken" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        own_images("a_broken")


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records outside of any use case, which everybody may read."""
    folder = tmp_path_factory.mktemp("records")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    (folder / "days.csv").write_text(records())
    return folder / "days.csv"


@pytest.fixture(scope="module")
def built(client: Any, find: Find, csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The images of one use case in a folder and of one in a package, as `make images` builds them."""
    folders, site = tmp_path_factory.mktemp("cases"), tmp_path_factory.mktemp("site")
    write(folders / "Rain", str(csv), train="tabulate\n")
    install(site, "rainy.cases", "rainy", str(csv))
    own: dict[str, build.Built] = {kind: build.Built(find(kind), 0) for kind in KINDS}
    with found(folders, site) as patch:
        patch.setattr(discovery, "names", lambda: ["Rain", "rainy"])
        patch.setenv("PIP_TRUSTED_HOST", SECRET)
        assert build.build_own(client, own) == []
        yield {name: image for name, (image, _) in own.items()}
    for name in own.keys() - set(KINDS):
        for tag in client.images.get(f"{build.REPOSITORY}/{name}").tags:
            client.images.remove(tag, force=True)
    for image in left(client, SECRET):
        client.images.remove(image)


@pytest.mark.containers
class TestOnAnEngine:
    def test_each_use_case_has_an_image_of_each_kind(self, built: dict[str, Any], find: Find) -> None:
        own = {f"{use_case}-{kind}" for use_case in ("rain", "rainy") for kind in KINDS}
        assert set(built) == own | set(KINDS)
        for name in own:
            assert find(name).id == built[name].id
            assert built[name].attrs["Config"]["User"] == "10001:10001"

    def test_a_package_is_where_it_is_required(self, built: dict[str, Any], run: Run) -> None:
        code = "from importlib.util import find_spec; print(find_spec('tabulate') is not None)"
        has = [name for name in sorted(built) if run(built[name], code) == "True"]
        assert has == ["rain-train"]
        assert run(built["rain-train"], "import numpy, tabulate; print(tabulate.__cached__)").endswith(".pyc")

    @pytest.mark.parametrize(("name", "use_case"), [("rain-serve", "Rain"), ("rainy-data", "rainy")])
    def test_code_is_found_read_and_compiled_but_not_to_be_written(
        self, built: dict[str, Any], run: Run, name: str, use_case: str
    ) -> None:
        code = f"""
import os, sys
from ml_pipeline.discovery import find
case = find({use_case!r})
module = sys.modules[case.load("models.Rain").__module__]
compiled = module.__loader__.get_code(module.__name__).co_filename
print(os.path.isfile(module.__cached__), os.access(module.__file__, os.W_OK), os.stat(module.__file__).st_uid)
print(compiled == str(case.folder / "models.py"), *sorted(path.name for path in case.folder.iterdir()))
"""
        told = run(built[name], code, read_only=False).splitlines()
        files = "__init__.py __pycache__ models.py pipeline.yaml sources.py words.txt"
        assert told == ["True False 0", f"True {files}"]

    def test_contents_count_code_packages_and_the_shared_image(self, built: dict[str, Any], run: Run) -> None:
        listed = {name: json.loads(run(image, HELD)) for name, image in built.items()}
        more = listed["rain-train"]["packages"].items() - listed["train"]["packages"].items()
        assert [name for name, _ in more] == ["tabulate"]
        assert listed["train"]["packages"].items() < listed["rain-train"]["packages"].items()
        assert "ml_pipeline/use_cases/Rain/models.py" in listed["rain-train"]["source"]
        assert "rainy/cases/models.py" in listed["rainy-serve"]["source"]
        assert listed["rainy-serve"]["packages"]["rainy-days"] == "1.2"
        assert set(listed["rain-data"]["recipes"]) == {"base", "data", "use_case"}
        assert len({built[name].labels[build.LABEL] for name in built}) == len(built)

    def test_the_same_again_has_the_same_contents(self, built: dict[str, Any], client: Any, run: Run) -> None:
        own = next(image for image in own_images("Rain") if image.kind == "train")
        recipe, arguments = build.Recipe.own(own), {"BASE_IMAGE": built["train"].id, **build.index_arguments()}
        settings = {"buildargs": arguments | recipe.arguments, "nocache": True}
        again = build.run_build(client, build.Progress("again"), **settings, **recipe.context)
        try:
            held = build.contents(client, again, *recipe.dockerfiles)
        finally:
            client.images.remove(again, force=True)
        assert held.decode() == run(built["rain-train"], HELD)

    def test_no_word_of_the_index_stays(self, built: dict[str, Any]) -> None:
        for name in ("rain-train", "rainy-data"):
            told = json.dumps([built[name].history(), built[name].attrs])
            assert SECRET not in told
            assert "://" not in told

    def test_what_the_image_has_stays_as_it_is(self, client: Any, built: dict[str, Any]) -> None:
        own = next(image for image in own_images("Rain") if image.kind == "serve")
        wrong = own._replace(files=own.files | {"requirements/serve.txt": b"numpy<2\n"})
        with pytest.raises(build.BuildError, match=r"(?s)image rain-serve cannot be built.*numpy<2"):
            build.build(client, build.Recipe.own(wrong), built["serve"].id)

    @pytest.mark.parametrize("use_case", ["Rain", "rainy"])
    def test_stages_read_records_outside_and_cannot_write_them(
        self, client: Any, built: dict[str, Any], run: Run, csv: Path, tmp_path: Path, use_case: str
    ) -> None:
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        store, image = tmp_path / "store", built[f"{use_case.lower()}-data"]
        as_of = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
        order = StageRequest(use_case, "offline", (), run_id="r", as_of=as_of, store=str(store))
        binds = [mounts.store_bind(store), mounts.source_bind(csv)]
        held = {"mounts": [*map(mount, binds)], "user": str(mounts.user())}
        bounds = {"remove": True, "read_only": True, "tmpfs": {"/tmp": "", "/spill": ""}, "network_mode": "none"}
        client.containers.run(image, ["stage", msgspec.json.encode(order).decode()], **held, **bounds)
        left = [(store / use_case / run_key("r", step)).read_bytes() for step in STEPS]
        results = [msgspec.json.decode(content, type=StageResult) for content in left]
        assert {result.status for result in results} == {"done"}
        assert results[0].rows_out == 90
        assert run(image, f"import os; print(os.access({str(csv)!r}, os.W_OK))", **held) == "False"
