"""Someone who looks at a process all the time, and notes all that it ever showed."""

import http.client
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.integration.northstar_process import Answer, ask
from tests.integration.shown import of_metrics

PATHS = ("/readyz", "/metrics", "/api/v1/readings")
AGAIN_S = 0.005  # after nobody answered
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Look:
    """One request and its answer, None where there was none. `life` counts the process' starts."""

    life: int
    path: str
    answer: Answer | None


class Watcher:
    """Asks for one page after the other, as fast as they are answered, in a thread.

    `tick_ms` is the tick that was shown last, None while none is.
    """

    def __init__(self, port: int) -> None:
        self.life = 0
        self.looks: list[Look] = []
        self.tick_ms: int | None = None
        self._port = port
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for path in PATHS:
                # Which start of the process it is, is known before it answers.
                self._look(self.life, path)

    def _look(self, life: int, path: str) -> None:
        answer = self._answer(path)
        if path == "/metrics":
            shown = None if answer is None else of_metrics(answer.text)
            self.tick_ms = None if shown is None else shown[0]
        self.looks.append(Look(life, path, answer))

    def _answer(self, path: str) -> Answer | None:
        try:
            return ask(self._port, path)
        except (OSError, http.client.HTTPException):
            self._stopping.wait(AGAIN_S)
            return None
