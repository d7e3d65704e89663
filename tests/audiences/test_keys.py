"""The key of a definition's name, which is the name of the trait at destinations."""

from __future__ import annotations

import pytest

from engine.audiences.definitions import key_of


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Order Completed Last 30days", "order_completed_last_30days"),
        ("Big Spenders", "big_spenders"),
        ("  big--spenders!! ", "big_spenders"),
        ("BigSpenders", "bigspenders"),
        ("bigSpenders 2go", "bigspenders_2go"),
        ("30 days", "30_days"),
        ("LTV > 1,000 €", "ltv_1_000"),
        ("already_snake__case_", "already_snake_case"),
        ("Customer's Choice", "customers_choice"),
        ("Customer\u2019s Choice", "customers_choice"),
        ("Käufer Zürich", "käufer_zürich"),
        ("Ka\u0308ufer", "käufer"),
        ("Покупатели 30 дней", "покупатели_30_дней"),
        ("買った人", "買った人"),
        ("Ⅳ ﬁrst \uff11\uff12", "iv_first_12"),
        ("50% off / sale", "50_off_sale"),
        ("a\u0000b\nc\td", "a_b_c_d"),
        ("!!!", ""),
        ("___", ""),
        ("🛒", ""),
    ],
)
def test_key(name: str, key: str) -> None:
    assert key_of(name) == key
    assert key_of(key) == key
