"""Trials: a candidate for the North Star beside the present one, on recorded events.

`sides.py` reads two definitions for one another, `run.py` replays both, and each question has a
small pure file: `overlap.py` (whom both count), `lags.py` (how they move with a result),
`thresholds.py` and `sensitivity.py` (what the candidate's own numbers decide).
"""
