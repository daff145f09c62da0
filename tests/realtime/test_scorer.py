from __future__ import annotations

from collections.abc import Callable

import pytest

from ml_pipeline.discovery import find
from ml_pipeline.errors import DataError, RejectedError
from ml_pipeline.realtime.service import ScoringService
from tests.conftest import AS_OF, Parcels
from tests.realtime.conftest import Directly, answer, body
from tests.realtime.test_replay import again

Start = Callable[[ScoringService], ScoringService]
SEEN = {"parcel_id": "p1", "depot": "north", "weight": 2.0, "pickup": "2024-02-05T10:00:00Z"}
OWN_WAY = '''
class PrepareParcels(BaseModel):
    """Not a chain of functions."""

    @classmethod
    def transform(cls, x, parameters=None):
        """Only what is not of the north; a weight below zero is set aside."""
        good = run(chain(weighed, late), x)
        return take(good, good["depot"].map([word != "north" for word in good["depot"].vocabulary], True))


class PrepareTraffic'''


@pytest.fixture
def serving(champion: Parcels, started: Start) -> Callable[[], ScoringService]:
    """Starts a service of the package as it is then."""
    return lambda: started(ScoringService(find("parcels"), champion.store))


def in_its_own_way(parcels: Parcels) -> None:
    """The preparation is a model that drops rows, and says nothing of places."""
    parcels.replace("models.py", "class PrepareParcels(Preparation):", "class Before(Preparation):")
    parcels.replace("models.py", "\nclass PrepareTraffic", OWN_WAY)
    parcels.replace("models.py", "from ml_pipeline.chain import Chain", "from ml_pipeline.chain import run, Chain")
    parcels.replace("models.py", "import Category, Floats, Mask", "import Category, Floats, Mask, take")
    parcels.replace(
        "models.py", "import numpy as np", "import numpy as np\nfrom ml_pipeline.templates import BaseModel"
    )


def test_a_preparation_of_another_make_is_asked_again(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    in_its_own_way(champion)
    sent = [{**SEEN, "parcel_id": f"p{at}", "depot": depot} for at, depot in enumerate(("south", "north", "west"))]
    found = answer(serving().score_json(body([{**sent[0], "weight": -1}, *sent])))
    assert [row["parcel_id"] for row in found["predictions"]] == ["p0", "p2"]
    assert found["set_aside"] == [
        {"record": 0, "reason": "the weight is negative"},
        {"record": 2, "reason": "the record is not in question: the preparation leaves it out"},
    ]


def test_it_gets_what_batch_gets(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    in_its_own_way(champion)
    champion.run("online")
    found = again(champion, Directly(serving()))
    assert found.left_out == found.records - found.scored > 0


def test_one_record_that_is_not_in_question_is_no_fault(
    champion: Parcels, serving: Callable[[], ScoringService]
) -> None:
    in_its_own_way(champion)
    found = answer(serving().score_json(body(SEEN)))
    assert found["predictions"] == []
    assert [each["record"] for each in found["set_aside"]] == [0]


def test_rows_whose_label_is_known_are_left_out_as_in_batch(
    champion: Parcels, serving: Callable[[], ScoringService]
) -> None:
    champion.replace("pipeline.yaml", "    truth: [delay]\n", "")
    champion.replace("pipeline.yaml", "horizon: 1h", "horizon: 1h\nbehind: 1d")
    header, *lines = champion.lines("parcels")
    unknown = [line.rpartition(",")[0] + "," if "2024-02-04T1" in line else line for line in lines]
    champion.write("parcels", [header, *unknown])
    champion.run("online")
    service = serving()
    found = again(champion, Directly(service))
    assert found.scored > 0
    assert found.left_out > 0
    one = answer(service.score_json(body({**SEEN, "delay": 3.0})))
    assert [each["reason"] for each in one["set_aside"]] == ["its label is known already"]


def test_of_revised_records_the_last_counts(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    champion.replace("pipeline.yaml", "    drives: true", "    drives: true\n    revised: true")
    service = serving()
    last = {**SEEN, "weight": 9.0}
    found = answer(service.score_json(body([SEEN, {**SEEN, "parcel_id": "p2"}, last])))
    assert [row["parcel_id"] for row in found["predictions"]] == ["p2", "p1"]
    assert found["set_aside"] == [{"record": 0, "reason": "a later record of the request has its key"}]
    assert found["predictions"][1] == answer(service.score_json(body(last)))["predictions"][0]


def test_what_the_postprocessing_refuses_is_set_aside(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    refuse = '@check("nobody may know")\ndef shown(tier: Category) -> Mask:\n    return tier.codes >= 0\n\n\n'
    champion.replace("models.py", "class ParcelRisk", f"{refuse}class ParcelRisk")
    champion.replace("models.py", "chain(band, keep", "chain(band, shown, keep")
    sent = [{**SEEN, "customer": customer, "parcel_id": customer} for customer in ("c1", "nobody", "c2")]
    found = answer(serving().score_json(body(sent)))
    assert [row["parcel_id"] for row in found["predictions"]] == ["c1", "c2"]
    assert found["set_aside"] == [{"record": 1, "reason": "nobody may know"}]


def test_a_function_that_fails_is_named_and_nothing_else_happens(
    champion: Parcels, serving: Callable[[], ScoringService]
) -> None:
    champion.replace("models.py", "return np.where(np.isnan(delay), np.nan, delay >= 30)", "return delay[7:]")
    service = serving()
    with pytest.raises(Exception, match="link 'late' did not give the column 'late' for every row"):
        service.score_json(body(SEEN))
    assert service.journal.promised == 0


def test_a_fault_outside_of_links_is_said_in_words(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    in_its_own_way(champion)
    champion.replace("models.py", "good = run(", "good = x['nothing'] if len(x['weight']) == 1 else run(")
    with pytest.raises(DataError, match="the records cannot be scored") as caught:
        serving().score_json(body(SEEN))
    assert caught.value.given == "KeyError: 'nothing'"


def test_a_record_without_a_time_or_key_is_at_fault(champion: Parcels, serving: Callable[[], ScoringService]) -> None:
    with pytest.raises(RejectedError, match="record 0: parcel_id is missing"):
        serving().score_json(body({**SEEN, "parcel_id": None}), as_of=AS_OF)
