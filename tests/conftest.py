"""How thoroughly properties are searched: `HYPOTHESIS_PROFILE=ci` for much, else a quick look."""

import os

from hypothesis import HealthCheck, settings

# Neither profile is derandomized: every run looks somewhere else, and prints how to come back.
# Whole records and plans take long to draw, which is no fault of theirs.
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "quick",
    max_examples=20,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
