"""The jars of a real Kafka broker, fetched by Maven as `kafka/pom.xml` says.

`python -m tests.integration.kafka_jars` fetches them ahead of the tests.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.services import ServiceMissingError

KAFKA_FOLDER = Path(__file__).parent / "kafka"
JARS = KAFKA_FOLDER / "jars"
COPY_JARS = [
    "mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=jars",
]  # fmt: skip
FETCH_TIMEOUT_S = 480
JAVA_VERSION_MIN = 17  # of Kafka 4's broker


def java() -> str:
    """The path of a Java that can run the broker.

    Raises:
        ServiceMissingError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=f"{home}/bin" if home else None)
    if path is None:
        raise ServiceMissingError("no java is on the PATH (or in JAVA_HOME)")
    version = _java_version(path)
    if version < JAVA_VERSION_MIN:
        raise ServiceMissingError(f"{path} is Java {version}, Kafka needs {JAVA_VERSION_MIN}")
    return path


def _java_version(path: str) -> int:
    """The feature version; a Java before 9 calls itself 1.8 and counts as 1."""
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found.group(1)) if found else 0


def classpath() -> str:
    """The jars as a Java class path, fetched first if they are not of today's `pom.xml`.

    Raises:
        ServiceMissingError: They are not here and Maven could not bring them.
    """
    with _one_at_a_time():
        if not _complete():
            _fetch()
    return f"{JARS}/*"


def _complete() -> bool:
    stamp = _stamp()
    return stamp.exists() and stamp.read_text() == _wanted()


def _fetch() -> None:
    if shutil.which("mvn") is None:
        raise ServiceMissingError("Kafka's jars are not here, and no mvn is on the PATH")
    shutil.rmtree(JARS, ignore_errors=True)  # else jars of two versions could mix
    try:
        subprocess.run(
            COPY_JARS, cwd=KAFKA_FOLDER, check=True, timeout=FETCH_TIMEOUT_S,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise ServiceMissingError(f"Maven could not bring Kafka's jars: {error.stdout}") from error
    except subprocess.TimeoutExpired as error:
        raise ServiceMissingError(f"Maven took over {FETCH_TIMEOUT_S} s for the jars") from error
    _stamp().write_text(_wanted())


def _stamp() -> Path:
    """Says which `pom.xml` the jars are of; written last, so half a fetch leaves none."""
    return JARS / "pom.sha256"


def _wanted() -> str:
    return hashlib.sha256((KAFKA_FOLDER / "pom.xml").read_bytes()).hexdigest()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let pytest-xdist's workers in one after another."""
    lock = KAFKA_FOLDER / "target" / "jars.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{classpath()}\n")
    except ServiceMissingError as error:
        sys.exit(f"error: {error}")
