"""The peer's job: Quix Streams counts what people do in a day.

Runs in an environment of its own, for Quix Streams wants an older Kafka client than we do:

    python quix_job.py BOOTSTRAP TOPIC EVENTS

The answer is the last line of standard output, a JSON object.
"""

import json
import sys
import tempfile
import time
import uuid
from datetime import timedelta

from quixstreams import Application

_ACTIVE = frozenset({"chart_shared", "chart_viewed", "query_run"})
_SILENCE_S = 20.0


def main(bootstrap: str, topic: str, events: str) -> None:
    """Count so many events, from the first that arrives to the last."""
    wanted, seen = int(events), 0
    began = ended = (0.0, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=bootstrap,
            consumer_group=f"quix-{uuid.uuid4().hex}",
            auto_offset_reset="earliest",
            state_dir=folder,
            commit_interval=10.0,  # our epoch's length
            loglevel="WARNING",
        )

        def note(_: object) -> None:
            nonlocal seen, began, ended
            if not seen:
                began = time.perf_counter(), time.process_time()
            seen += 1
            if seen == wanted:
                ended = time.perf_counter(), time.process_time()
                app.stop()

        frame = app.dataframe(app.topic(topic, value_deserializer="json")).update(note)
        frame = frame[frame["event"].isin(_ACTIVE)]
        frame.tumbling_window(timedelta(days=1), grace_ms=10_000).count().final()
        app.run(timeout=_SILENCE_S)
    figures = {"wall_s": ended[0] - began[0], "cpu_s": ended[1] - began[1], "events": wanted}
    sys.stdout.write(f"{json.dumps(figures)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
