"""Certificates of servers that tests start, by the keytool that every Java brings."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.integration import kafka_jars

PASSWORD = "test-only"  # noqa: S105 - of keys that live for one test
KEYTOOL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Certificate:
    """A key with its certificate for a Java server, and the certificate for who is to trust it."""

    keystore: Path
    certificate: Path


def made(folder: Path, name: str, alternative: str) -> Certificate:
    """A certificate that signs itself, for `alternative`: `ip:127.0.0.1`, `dns:somewhere.example`.

    Raises:
        ServiceMissingError: Java is not to be had.
    """
    found = Certificate(folder / f"{name}.p12", folder / f"{name}.pem")
    kind = ("-keyalg", "EC", "-groupname", "secp256r1", "-dname", f"CN={name}", "-validity", "2")
    _keytool(found, "-genkeypair", *kind, "-ext", f"SAN={alternative}", "-storetype", "PKCS12")
    _keytool(found, "-exportcert", "-rfc", "-file", str(found.certificate))
    return found


def _keytool(where: Certificate, *arguments: str) -> None:
    tool = Path(kafka_jars.java()).with_name("keytool")
    store = ("-alias", "server", "-keystore", str(where.keystore), "-storepass", PASSWORD)
    subprocess.run(
        [str(tool), *arguments, *store], check=True, timeout=KEYTOOL_TIMEOUT_S, capture_output=True
    )
