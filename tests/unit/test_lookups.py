"""What is looked up for the rows of a call: batches and days, what fills and what fails, and what is said of it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from stored_features import NOW_MS, DictStore, column_of, lookup_of, texts_of, values_of

from bridge.columns import Column, Matrix, Table, Type
from bridge.errors import DefaultReason, InvalidRequest, Overloaded
from bridge.features.lookups.joining import Joined
from bridge.features.lookups.look_up import look_up
from bridge.features.lookups.plan import Combination, Lookup, LookupPlan
from bridge.features.stores.group import row_prefix
from bridge.lookup_errors import FeaturesMissing, FeaturesStale, StoreUnavailable

FEATURES = {"orders": Type.INT, "spent": Type.DOUBLE, "segment": Type.STRING}
MODEL = ("age", "orders", "spent", "segment")


@pytest.fixture
def store() -> DictStore:
    """A group with two batches: `b` is only in the older one."""
    made = DictStore()
    made.publish("orders", "2025-11-23", FEATURES, {"a": [1, 1.5, "x"], "b": [2, 2.5, None]}, age_s=90_000)
    made.publish("orders", "2025-11-24", FEATURES, {"a": [3, 3.5, "y"], "c": [None, None, ""]})
    return made


async def looked_up(
    store: DictStore,
    *columns: Column,
    lookups: Sequence[Lookup] = (),
    combined: Sequence[Combination] = (),
    model: Sequence[str] = MODEL,
    places: tuple[int, ...] | None = None,
) -> Joined:
    """What is looked up for these columns."""
    plan = LookupPlan(model, lookups or [lookup_of(store)], combined)
    rows = Table(columns, len(columns[0]))
    found = await look_up(plan, rows, places or tuple(range(len(columns))), left_s=10.0)
    assert found is not None
    return found


def held(joined: Joined) -> dict[str, list[object]]:
    """The columns that the model gets."""
    return {column.name: values_of(column) for column in joined.table.columns}


def ages(count: int) -> Column:
    """A column that the caller sends."""
    return column_of("age", Type.INT, [30 + number for number in range(count)])


async def test_rows_get_their_features_from_the_current_batch_then_from_the_one_before(store: DictStore) -> None:
    joined = await looked_up(store, texts_of(["a", "b", "c", "d", None, "a"]), ages(6))
    assert held(joined) == {
        "age": [30, 31, 32, 33, 34, 35],
        "orders": [3, 2, None, None, None, 3],
        "spent": [3.5, 2.5, None, None, None, 3.5],
        "segment": ["y", None, "", None, None, "y"],
    }
    assert not joined.unfit
    (result,) = joined.looked_up.results
    assert (result.name, result.store, result.group, result.batch) == ("history", "memory", "orders", "2025-11-24")
    assert (result.age_s, result.previous_batch) == (3600.0, "2025-11-23")
    assert result.previous_rows.tolist() == [1]
    assert result.missing_rows.tolist() == [3, 4]
    assert (result.failure, result.detail, result.operands) == (None, "", ())
    assert joined.looked_up.keys == (0,)
    assert [column.name for column in joined.looked_up.columns] == ["orders", "spent", "segment"]
    assert store.trips == [4, 2]  # each key once, and only the absent ones again


async def test_what_is_put_on_record_is_what_the_model_gets(store: DictStore) -> None:
    joined = await looked_up(store, texts_of(["a", "d"]))
    assert joined.table.columns == joined.looked_up.columns


async def test_a_column_that_the_caller_sends_wins(store: DictStore) -> None:
    sent = column_of("spent", Type.DOUBLE, [9.0, None])
    joined = await looked_up(store, texts_of(["a", "a"]), ages(2), sent)
    assert held(joined)["spent"] == [9.0, None]
    assert held(joined)["orders"] == [3, 3]
    assert [column.name for column in joined.looked_up.columns] == ["orders", "segment"]


async def test_a_caller_that_sends_all_features_needs_no_store(store: DictStore) -> None:
    store.down = True
    columns = [column_of(name, Type.DOUBLE, [1.0]) for name in MODEL]
    joined = await looked_up(store, *columns, texts_of(["a"]))
    assert list(held(joined)) == list(MODEL)
    assert joined.looked_up.results == ()
    assert joined.looked_up.keys == (4,)
    plan = LookupPlan(MODEL, [lookup_of(store)], [])
    assert await look_up(plan, Table(tuple(columns), 1), (0, 1, 2, 3), left_s=10.0) is None
    assert await look_up(plan, Matrix((), np.ones((2, 4))), (), left_s=10.0) is None
    assert store.trips == []


async def test_a_key_that_is_a_feature_too_stays(store: DictStore) -> None:
    joined = await looked_up(store, texts_of(["a"]), model=("user_id", "orders"))
    assert held(joined) == {"user_id": ["a"], "orders": [3]}
    assert joined.looked_up.keys == ()


async def test_the_places_of_keys_are_those_of_the_request(store: DictStore) -> None:
    joined = await looked_up(store, ages(1), texts_of(["a"]), places=(1, 4))
    assert joined.looked_up.keys == (4,)


@pytest.mark.parametrize(
    ("column", "orders"),
    [
        (column_of("user_id", Type.INT, [7, 8]), [70, None]),
        (column_of("user_id", Type.INT64, [7, None]), [70, None]),
        (column_of("user_id", Type.DOUBLE, [7.0, None]), [70, None]),
        (column_of("user_id", Type.FLOAT, [None, 7.0]), [None, 70]),
        (texts_of(["7", "07"]), [70, None]),
        (texts_of([None, None]), [None, None]),
    ],
)
async def test_whole_numbers_are_keys_by_their_decimal_text(column: Column, orders: list[object]) -> None:
    store = DictStore()
    store.publish("orders", "1", {"orders": Type.INT}, {"7": [70], "7.0": [-1], "": [-1]})
    assert held(await looked_up(store, column, model=("orders",)))["orders"] == orders


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (column_of("user_id", Type.BOOL, [True]), "is bool, and keys are texts or whole numbers"),
        (column_of("user_id", Type.DOUBLE, [1.0, 7.5]), "row 1: a key must be text or a whole number"),
        (column_of("user_id", Type.DOUBLE, [2.0**53 + 2]), "row 0: a key must be"),
        (column_of("user_id", Type.FLOAT, [2.0**24 + 2]), "row 0: a key must be"),
        (column_of("user_id", Type.DOUBLE, [math.inf]), "row 0: a key must be"),
        (texts_of(["ü" * 513]), "a key of more than 1024 bytes"),
        (texts_of([str(number) for number in range(11)]), "11 different keys; store 'memory' takes at most 10 a call"),
        (column_of("id", Type.INT, [1]), "missing column 'user_id', the key by which lookup 'history' finds 'orders'"),
    ],
)
async def test_what_is_no_key_is_refused(store: DictStore, column: Column, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        await looked_up(store, column, lookups=[lookup_of(store, max_entities=10)], model=("orders",))


async def test_a_row_without_features_may_fail_instead(store: DictStore) -> None:
    lookups = [lookup_of(store, steps=("previous", "default"))]
    joined = await looked_up(store, texts_of(["a", "b", "d", None]), lookups=lookups)
    assert sorted(joined.unfit) == [2, 3]
    error = joined.unfit[2].of(2, "m/1: ", rows=2)
    assert isinstance(error, FeaturesMissing)
    assert str(error) == (
        "m/1: column 'user_id', row 2: lookup 'history': batch 2025-11-24 of group 'orders' has no features for the key"
    )
    lookups = [lookup_of(store, steps=("default",))]
    assert sorted((await looked_up(store, texts_of(["a", "b"]), lookups=lookups)).unfit) == [1]
    lookups = [lookup_of(store, steps=("missing",))]
    joined = await looked_up(store, texts_of(["a", "b"]), lookups=lookups)
    assert held(joined)["orders"] == [3, None]
    assert joined.looked_up.results[0].previous_batch == ""


async def test_what_can_not_be_read_is_never_taken_for_missing(store: DictStore) -> None:
    store.held[row_prefix("orders", "2025-11-24") + b"a"] = b"\x01\0\0\0 half a row"
    store.held[row_prefix("orders", "2025-11-23") + b"b"] = b""
    joined = await looked_up(store, texts_of(["a", "b", "c", "d"]))
    assert sorted(joined.unfit) == [0, 1]
    assert "can't be read" in str(joined.unfit[0].of(0))
    assert joined.looked_up.results[0].missing_rows.tolist() == [0, 1, 3]


async def test_a_store_that_is_down_fails_all_rows_or_leaves_them_missing(store: DictStore) -> None:
    store.down = True
    joined = await looked_up(store, texts_of(["a", "b"]), ages(2))
    assert sorted(joined.unfit) == [0, 1]
    assert isinstance(joined.unfit[0].of(0), StoreUnavailable)
    (result,) = joined.looked_up.results
    assert (result.failure, result.batch, result.age_s) == (DefaultReason.STORE_UNAVAILABLE, "", None)
    assert result.missing_rows.tolist() == [0, 1]
    assert result.detail == "store 'memory' refuses connections"
    joined = await looked_up(store, texts_of(["a", "b"]), ages(2), lookups=[lookup_of(store, fails=False)])
    assert not joined.unfit
    assert held(joined)["orders"] == [None, None]


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "said"),
    [
        (3601.0, 3600.0, "was published 3601 s ago; its lookup's max_age_s is 3600 s"),
        (259_200.0, None, "and has expired"),
        (-61.0, 3600.0, "was published 61 s from now by the store's clock"),
    ],
)
async def test_a_stale_batch_fails_the_lookup(age_s: float, max_age_s: float | None, said: str) -> None:
    store = DictStore()
    store.publish("orders", "1", {"orders": Type.INT}, {"a": [1]}, age_s=age_s)
    joined = await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, max_age_s=max_age_s)], model=("orders",))
    assert isinstance(joined.unfit[0].of(0), FeaturesStale)
    assert said in str(joined.unfit[0].of(0))
    assert joined.looked_up.results[0].failure is DefaultReason.FEATURES_STALE


async def test_a_previous_batch_that_is_too_old_does_not_fill(store: DictStore) -> None:
    joined = await looked_up(store, texts_of(["a", "b"]), lookups=[lookup_of(store, max_age_s=80_000.0)])
    assert held(joined)["orders"] == [3, None]
    store.now_ms -= 7200 * 1000  # the store's clock was set back: an age that is not below 0 by much is believed
    joined = await looked_up(store, texts_of(["a"]))
    assert joined.looked_up.results[0].age_s == 0.0


async def test_a_group_that_is_not_there_fails_the_lookup(store: DictStore) -> None:
    joined = await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, "clicks")])
    assert "store 'memory' has no group 'clicks': publish it" in str(joined.unfit[0].of(0))
    joined = await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, features=["bmi"])], model=("bmi",))
    assert "batch 2025-11-24 of group 'orders' has no feature 'bmi'" in str(joined.unfit[0].of(0))


async def test_a_feature_of_another_type_in_the_previous_batch_is_missing() -> None:
    store = DictStore()
    store.publish("orders", "1", {"orders": Type.STRING, "spent": Type.DOUBLE}, {"b": ["2", 2.5]}, schema=1)
    store.publish(
        "orders", "2", {"spent": Type.DOUBLE, "orders": Type.INT, "new": Type.BOOL}, {"a": [1.5, 1, True]}, schema=2
    )
    joined = await looked_up(store, texts_of(["a", "b"]), model=("orders", "spent", "new"))
    assert held(joined) == {"orders": [1, None], "spent": [1.5, 2.5], "new": [True, None]}
    assert joined.looked_up.results[0].previous_rows.tolist() == [1]


async def test_two_lookups_with_keys_of_their_own(store: DictStore) -> None:
    store.publish("shops", "9", {"rate": Type.DOUBLE}, {"s": [0.5]})
    shops = lookup_of(store, "shops", name="shop", key="shop_id")
    joined = await looked_up(
        store,
        texts_of(["a", "c"]),
        texts_of(["t", "s"], "shop_id"),
        lookups=[lookup_of(store, features=["orders"]), shops],
        model=("orders", "rate"),
    )
    assert held(joined)["orders"] == [3, None]
    assert held(joined)["rate"][1] == 0.5
    assert [result.name for result in joined.looked_up.results] == ["history", "shop"]
    assert joined.looked_up.keys == (0, 1)


async def test_a_feature_in_two_groups_is_not_guessed(store: DictStore) -> None:
    store.publish("shops", "9", {"orders": Type.INT}, {"a": [50]})
    lookups = [lookup_of(store), lookup_of(store, "shops", name="shop")]
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups)
    assert "feature 'orders' is in two groups" in str(joined.unfit[0].of(0))
    lookups = [lookup_of(store), lookup_of(store, "shops", name="shop", features=["orders"])]
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups)
    assert held(joined)["orders"] == [50]
    assert held(joined)["spent"] == [3.5]


SUM = Combination("total", "sum", (("history", "orders"), ("today", "orders")))


def shop(**today: Any) -> tuple[DictStore, list[Lookup]]:
    """History up to yesterday, and today."""
    store = DictStore()
    store.publish("orders", "2025-11-23", {"orders": Type.INT64}, {"a": [1], "b": [10]}, age_s=90_000)
    store.publish("orders", "2025-11-24", {"orders": Type.INT64}, {"a": [2], "d": [40]})
    store.stream("today", {"orders": Type.INT64}, **{"timezone": "UTC"} | today)
    lookups = [lookup_of(store), lookup_of(store, "today", name="today", since="history")]
    return store, lookups


async def test_today_is_added_to_history() -> None:
    store, lookups = shop()
    store.count("today", "2025-11-25", "a", orders="3")
    store.count("today", "2025-11-25", "c", orders="5")
    joined = await looked_up(
        store, texts_of(["a", "c", "d", "e", None]), lookups=lookups, combined=[SUM], model=("total",)
    )
    assert held(joined) == {"total": [5, 5, 40, None, None]}
    assert not joined.unfit
    history, today = joined.looked_up.results
    assert [values_of(column) for column in history.operands] == [[2, None, 40, None, None]]
    assert [(column.name, values_of(column)) for column in today.operands] == [
        ("2025-11-24/orders", [None] * 5),
        ("2025-11-25/orders", [3, 5, None, None, None]),
    ]
    assert (today.batch, today.age_s) == ("2025-11-25", None)
    assert today.missing_rows.tolist() == [2, 3, 4]


async def test_the_day_before_counts_until_its_batch_is_there() -> None:
    """A row's days are those behind the batch that its history comes from: none is left out, and none counts twice."""
    store, lookups = shop()
    for key in ("a", "b", "c"):
        store.count("today", "2025-11-24", key, orders="100")
        store.count("today", "2025-11-25", key, orders="1000")
    joined = await looked_up(store, texts_of(["a", "b", "c"]), lookups=lookups, combined=[SUM], model=("total",))
    assert held(joined) == {"total": [1002, 1110, 1000]}


async def test_days_that_the_stream_has_let_go_are_not_passed_off_as_nothing() -> None:
    store, lookups = shop(keep_days=1)
    joined = await looked_up(store, texts_of(["a", "b"]), lookups=lookups, combined=[SUM], model=("total",))
    assert sorted(joined.unfit) == [1]
    assert isinstance(joined.unfit[1].of(1), FeaturesStale)
    store.now_ms += 24 * 3600 * 1000
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups, combined=[SUM], model=("total",))
    assert "ends 2 days before 2025-11-26, and group 'today' keeps 1 days" in str(joined.unfit[0].of(0))


@pytest.mark.parametrize(
    ("timezone", "day"), [("UTC", "2025-11-25"), ("Pacific/Auckland", "2025-11-25"), ("Pacific/Honolulu", "2025-11-25")]
)
async def test_today_is_the_day_in_the_zone_of_the_group(timezone: str, day: str) -> None:
    store = DictStore(now_ms=NOW_MS)
    store.stream("today", {"orders": Type.INT64}, timezone)
    store.count("today", day, "a", orders="3")
    joined = await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, "today")], model=("orders",))
    assert held(joined) == {"orders": [3]}
    midnight = {"UTC": 14, "Pacific/Auckland": 1, "Pacific/Honolulu": 24}[timezone]  # hours from now
    store.now_ms += midnight * 3600 * 1000 - 1
    assert held(await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, "today")], model=("orders",))) == {
        "orders": [3]
    }
    store.now_ms += 1
    assert held(await looked_up(store, texts_of(["a"]), lookups=[lookup_of(store, "today")], model=("orders",))) == {
        "orders": [None]
    }


@pytest.mark.parametrize(
    "number", ["", "x", "1_0", " 1", "1e999", "nan", "inf", "0x10", "1.5", "3.0", "3e0", "9007199254740993", "9" * 500]
)
async def test_what_is_no_number_in_a_stream_fails_its_row(number: str) -> None:
    store = DictStore()
    store.stream("today", {"orders": Type.INT64})
    store.count("today", "2025-11-25", "a", orders=number)
    store.count("today", "2025-11-25", "b", orders="-7")
    store.held[row_prefix("today", "2025-11-25").replace(b":row:", b":day:") + b"c"] = b"a string"
    joined = await looked_up(store, texts_of(["a", "b", "c"]), lookups=[lookup_of(store, "today")], model=("orders",))
    assert sorted(joined.unfit) == [0, 2]
    assert held(joined) == {"orders": [None, -7, None]}


async def test_a_stream_counts_numbers_of_every_type() -> None:
    store = DictStore()
    store.stream("today", {"spent": Type.DOUBLE, "seen": Type.BOOL, "orders": Type.INT})
    store.count("today", "2025-11-25", "a", spent="1.25", seen="1", orders="3")
    store.count("today", "2025-11-25", "b", spent="-1e-3", seen="0")
    store.count("today", "2025-11-25", "c", seen="2")
    keys, lookups = texts_of(["a", "b", "c"]), [lookup_of(store, "today")]
    joined = await looked_up(store, keys, lookups=lookups, model=("spent", "seen", "orders"))
    assert held(joined) == {"spent": [1.25, -0.001, None], "seen": [True, False, None], "orders": [3, None, None]}
    assert sorted(joined.unfit) == [2]


async def test_a_sum_of_which_a_part_is_not_known_is_missing() -> None:
    store, lookups = shop()
    del store.groups["today"]
    lookups = [lookups[0], lookup_of(store, "today", name="today", since="history", fails=False)]
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups, combined=[SUM], model=("total",))
    assert math.isnan(joined.table.columns[0].values[0])
    assert not joined.unfit


async def test_of_several_faults_the_first_lookup_s_is_told() -> None:
    store, lookups = shop()
    store.down = True
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups, combined=[SUM], model=("total",))
    assert "lookup 'history': store 'memory' refuses connections" in str(joined.unfit[0].of(0))


async def test_days_since_a_batch_that_is_not_named_after_a_day_are_not_guessed() -> None:
    store, lookups = shop()
    store.publish("orders", "v2", {"orders": Type.INT64}, {"a": [2]})
    joined = await looked_up(store, texts_of(["a"]), lookups=lookups, combined=[SUM], model=("total",))
    assert "is not named after a day" in str(joined.unfit[0].of(0))


async def test_one_key_in_many_rows_is_bounded_by_the_rows() -> None:
    """A caller's bytes are few, and the values that they ask for are many."""
    store = DictStore()
    store.publish("orders", "1", {"orders": Type.INT, "note": Type.STRING}, {"a": [1, "x" * 1000]})
    for rows, said in ((2_200_000, "of 2200000 rows x 2 features"), (20_000, "texts of 20000000 characters")):
        with pytest.raises(InvalidRequest, match=said) as refused:
            await looked_up(store, column_of("user_id", Type.STRING, ["a"] * rows), model=("orders", "note"))
        assert refused.value.limit


async def test_what_is_looked_up_is_held_to_the_bytes_in_flight(store: DictStore) -> None:
    def turn_away(amount: int) -> None:
        raise Overloaded(f"{amount} bytes")

    plan = LookupPlan(MODEL, [lookup_of(store)], [])
    with pytest.raises(Overloaded, match="64 bytes"):  # age is open too: the group might have it
        await look_up(plan, Table((texts_of(["a", "a"]),), 2), (0,), left_s=10.0, hold=turn_away)
    assert store.trips == []
