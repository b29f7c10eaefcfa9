"""What is wrong between us and a broker's TLS, in words.

librdkafka says of every certificate that it does not trust to look at `ssl.ca.location`, also where
it is the name that is wrong, and of a listener that wants TLS that it does not answer. So the
broker is asked once more, by Python, which knows what it was.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

from pipeline.settings import KafkaSettings

VERIFY_FAILED: Final = "certificate verify failed"  # in librdkafka's words, and OpenSSL's

WANTS_TLS: Final = (
    "it wants TLS; kafka.properties.security.protocol must be SSL, or SASL_SSL with a password"
)

_TIMEOUT_S: Final = 1.0
_NAME_MISMATCHES: Final = frozenset({62, 64})  # OpenSSL's X509_V_ERR_HOSTNAME_ and _IP_ADDRESS_
_ABOUT_NAMES: Final = (
    "write brokers in kafka.bootstrap by a name that their certificate has; their "
    "advertised.listeners must do the same"
)
_ABOUT_SIGNERS: Final = (
    "kafka.properties.ssl.ca.location must name a file with the certificate of who signed it"
)


def distrust(settings: KafkaSettings) -> str:
    """What is wrong with the certificate of a broker, and what to do; waits some seconds."""
    for place in settings.bootstrap.split(","):
        host, _, port = place.rpartition(":")
        fault = _fault(settings, host, int(port))
        if fault is not None and fault.verify_code in _NAME_MISMATCHES:
            return f"the broker's certificate is of another name: {_said(fault)}; {_ABOUT_NAMES}"
        if fault is not None:
            return f"the broker's certificate is not trusted: {_said(fault)}; {_ABOUT_SIGNERS}"
    return f"a broker's certificate is not trusted; {_ABOUT_SIGNERS}; or {_ABOUT_NAMES}"


def wants_tls(settings: KafkaSettings) -> bool:
    """Whether the first of the brokers speaks TLS, though we were not told to; waits a second."""
    protocol = settings.properties.get("security.protocol")
    if protocol is not None and "SSL" in protocol.get_secret_value().upper():
        return False
    host, _, port = settings.bootstrap.split(",")[0].rpartition(":")
    whoever = ssl.create_default_context()
    whoever.check_hostname, whoever.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, int(port)), _TIMEOUT_S) as plain,
            whoever.wrap_socket(plain),
        ):
            return True
    except OSError:
        return False


def _said(fault: ssl.SSLCertVerificationError) -> str:
    return fault.verify_message.rstrip(".")


def _fault(settings: KafkaSettings, host: str, port: int) -> ssl.SSLCertVerificationError | None:
    """What Python finds against the certificate, None where it finds nothing or gets nowhere."""
    given = {name: value.get_secret_value() for name, value in settings.properties.items()}
    try:
        trust = ssl.create_default_context(
            cafile=given.get("ssl.ca.location"), cadata=given.get("ssl.ca.pem")
        )
        with (
            socket.create_connection((host, port), _TIMEOUT_S) as plain,
            trust.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as fault:
        return fault
    except (OSError, ValueError):
        return None
