"""Every measurement fills the columns that it promises; one's own, as README has it, comes through to what is read."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mdlray.planning import Pack
from mdlray.results import Store, load
from mdlray.results.pack_result import failed_pack
from mdlray.results.schema import MEASURED
from mdlray.results.tables import TABLES
from mdlray.spec import TrialSpec, replace_fields
from mdlray.worker import measurements as room
from mdlray.worker.measurements import MEASUREMENTS, Measurement, added_columns, all_measurements
from mdlray.worker.run_pack import WorkerConfig, run_pack

README = Path(__file__).parents[2] / "README.md"


def tiny(seed: int = 0) -> TrialSpec:
    fields = {"data.dataset": "mnist5k", "model.hidden_units": (4,), "training.num_epochs": 1}
    fields |= {"compression.centroid_epochs": 0, "seeds.initialization": seed}
    return replace_fields(TrialSpec(), fields)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Measurement]:
    """The registry with what a test adds to it; as it was afterwards."""
    registry = dict(MEASUREMENTS)
    monkeypatch.setattr(room, "MEASUREMENTS", registry)
    return registry


def test_ours_fill_the_columns_of_the_schema_and_every_table_of_ours() -> None:
    columns = {name: kind for one in MEASUREMENTS.values() for name, kind in one.columns.items()}
    assert columns == {name: kind for group in MEASURED.values() for name, kind in group.items()}
    assert {one.table for one in MEASUREMENTS.values()} == set(TABLES) and added_columns(MEASUREMENTS) == {}


def test_the_recipe_of_the_readme_is_read_back(own: dict[str, Measurement], tmp_path: Path) -> None:
    recipe = README.read_text().split("**measurement**")[1].split("```")[1].removeprefix("python")
    exec(compile(recipe, "README.md", "exec"), {})
    store, pack = Store(tmp_path), Pack("own", (tiny(), tiny(1)))
    result = run_pack(pack, WorkerConfig())
    assert [row["status"] for row in result.rows] == ["ok"] * 2, result.rows[0]["error"]
    store.write_pack(pack.pack_id, result)
    # A pack that was lost with its worker knows nothing of the column.
    store.write_pack("lost", failed_pack(Pack("own", (tiny(2),)), "lost"))
    for _ in range(2):
        frame, classes = load(tmp_path).set_index("trial_id"), store.read("classes")
        assert (frame.loc[[tiny().trial_id, tiny(1).trial_id], "largest_weight"] > 0).all()
        assert frame["largest_weight"].isna()[tiny(2).trial_id]
        right = classes.groupby("trial_id")["num_right"].sum() / classes.groupby("trial_id")["num_pictures"].sum()
        for trial_id in (tiny().trial_id, tiny(1).trial_id):
            assert right[trial_id] == pytest.approx(frame.loc[trial_id, "test_accuracy"], abs=1e-9)
        store.compact()
    assert (tmp_path / "classes.parquet").exists()


def test_a_measurement_that_fails_for_one_trial_fails_that_trial(own: dict[str, Measurement]) -> None:
    def picky(measured: room.Measured) -> dict[str, object]:
        if measured.spec == tiny(1):
            raise ArithmeticError("not this one")
        return {"picky": 1.0}

    own["picky"] = Measurement(picky, columns={"picky": "f64?"})
    result = run_pack(Pack("own", (tiny(), tiny(1))), WorkerConfig())
    rows = {row["trial_id"]: row for row in result.rows}
    assert (rows[tiny().trial_id]["status"], rows[tiny().trial_id]["picky"]) == ("ok", 1.0)
    failed = rows[tiny(1).trial_id]
    assert failed["status"] == "failed" and "not this one" in failed["error"] and failed["picky"] is None
    assert {row["trial_id"] for row in result.tables["curves"]} == {tiny().trial_id} and len(result.files) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"other": 1.0}, "measurement 'odd': row 0 .* has unknown column 'other', no column 'odd'"),
        ({"odd": "text"}, "measurement 'odd': row 0 .* column 'odd' is 'text'"),
        ([{"odd": 1.0}] * 2, "measurement 'odd' gave 2 rows for one trial"),
    ],
)
def test_an_answer_that_is_not_what_was_promised_is_explained(answer: object, message: str) -> None:
    odd = Measurement(lambda measured: answer, columns={"odd": "f64?"})  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match=message):
        odd.rows("odd", SimpleNamespace())  # type: ignore[arg-type]


def test_columns_that_cannot_be_are_explained(own: dict[str, Measurement]) -> None:
    with pytest.raises(ValueError, match="column 'x' of table 'trials' has type 'f64', which must be one of: str"):
        Measurement(lambda measured: {}, columns={"x": "f64"})
    own["again"] = Measurement(lambda measured: {}, columns={"test_accuracy": "f64?"})
    with pytest.raises(ValueError, match="'again' has a column 'test_accuracy', which table 'trials' has already"):
        added_columns(all_measurements())
