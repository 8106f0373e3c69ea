"""Money is exact, ids are opaque, distinct and in the order of time."""

import re
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import Model, dollars, new_id, picodollars


@given(st.decimals(0, 9_999, places=12))
def test_money_comes_back_to_the_last_digit(amount: Decimal) -> None:
    stored = picodollars(amount)
    assert stored is not None
    assert Decimal(dollars(stored)) == amount


@given(st.integers(0, 10**27))
def test_money_is_written_plainly(amount: int) -> None:
    written = dollars(amount)
    assert re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", written)
    assert int(Decimal(written) * 10**12) == amount


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_every_decimal_is_a_price_or_none(amount: Decimal) -> None:
    stored = picodollars(amount)
    assert stored is None or 0 <= stored <= 10**16


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.000004", 4_000_000),
        ("4E-6", 4_000_000),
        ("9999", 9_999 * 10**12),
        ("1E-13", 0),
        ("0.00000000000049", 0),
        ("0.00000000000051", 1),
        ("1E-999999", 0),
        ("0E+999999", 0),
        ("10000", None),
        ("1E+999999", None),
        ("-0.01", None),
        ("NaN", None),
        ("sNaN", None),
        ("Infinity", None),
        ("-Infinity", None),
    ],
)
def test_what_cannot_be_a_price_is_unknown(amount: str, stored: int | None) -> None:
    assert picodollars(Decimal(amount)) == stored


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0, "0"), (1, "0.000000000001"), (4_000_000, "0.000004"), (25 * 10**11, "2.5"), (10**14, "100")],
)
def test_money_is_written_without_exponent_or_trailing_zeros(amount: int, written: str) -> None:
    assert dollars(amount) == written


def test_ids_are_distinct_and_of_one_form() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}|[0-9a-z]{26}", each) for each in ids)
    assert not set("".join(ids)) - set("0123456789abcdefghjkmnpqrstvwxyz")


def test_a_later_id_sorts_after_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for milliseconds in (0, 1, 31, 32, 1_000, 1_700_000_000_000, 1_700_000_000_001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda at=milliseconds: at * 1_000_000)
        ids.append(new_id())
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {26}


@pytest.mark.parametrize(
    ("prompt", "completion", "free"), [("0", "0.00", True), ("0", "1e-9", False), ("0", None, False)]
)
def test_a_model_is_free_only_where_both_prices_are_known_to_be_nothing(
    prompt: str, completion: str | None, *, free: bool
) -> None:
    model = Model("m", "M", prompt_price=Decimal(prompt), completion_price=completion and Decimal(completion))  # type: ignore[arg-type]
    assert model.free is free
