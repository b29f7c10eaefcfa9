"""The limits of the core are the numbers of `definitions/LANGUAGE.md`."""

import pytest

from pipeline.core import decode, dedup, deployment, hopeless, identity, plan, timestamps

DEFAULTS = deployment.Deployment()


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (hopeless.RECORD_BYTES_MAX, 1_048_576),
        (hopeless.DEPTH_MAX, 64),
        (identity.ID_LENGTH_MAX, 512),
        (identity.ID_NUMBER_MAX, 9_007_199_254_740_992),
        (decode.VALUE_MAX, 9_007_199_254),
        (timestamps.EARLIEST_MS, 946_684_800_000),  # 2000-01-01
        (timestamps.LATEST_MS, 4_102_444_800_000),  # 2100-01-01
        (plan.MICROS, 1_000_000),
        (dedup.GENERATIONS, 4),
        (DEFAULTS.future_max_ms, 300_000),
        (DEFAULTS.dedup_horizon_ms, 3_600_000),
    ],
)
def test_limits_are_those_of_the_reference(limit, expected):
    """Who changes one changes what the reference promises."""
    assert expected == limit


def test_millionths_of_the_largest_value_are_whole_in_a_double():
    """Up to 2^53 every whole number is a double, so that rounding to millionths is exact."""
    assert decode.VALUE_MAX * plan.MICROS <= 2**53 < (decode.VALUE_MAX + 1) * plan.MICROS


def test_before_any_watermark_is_before_any_time_and_far_from_overflow():
    """Reckoning with it by any reach or lateness stays within 64 bits."""
    assert decode.LONG_AGO < -(10**15)
    assert decode.LONG_AGO - 10**15 > -(2**63)
