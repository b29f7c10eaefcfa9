"""TLS between `northstar run` and the brokers: who is trusted, and what is said of who is not."""

import pytest

from pipeline.cli.exits import Exit
from pipeline.edges.kafka_client import REACHABLE_TIMEOUT_S
from tests.integration import certificates, collaboration_log as collaboration
from tests.integration.local_broker import LocalBroker
from tests.integration.northstar_process import COLLABORATION, Northstar, run_to_end
from tests.integration.services import present

pytestmark = pytest.mark.services

RECORDS = 500
START_S = 20.0  # that Python and the imports take on a busy machine


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Certificates: of the broker's address, of another name, and one that no broker has."""
    folder = tmp_path_factory.mktemp("certificates")
    names = {"ours": "ip:127.0.0.1", "misnamed": "dns:elsewhere.example", "other": "ip:127.0.0.1"}
    return present(
        lambda: {name: certificates.made(folder, name, place) for name, place in names.items()}
    )


@pytest.fixture(scope="module")
def broker(known, tmp_path_factory):
    """A broker that listens twice with TLS: in its own name, and in one that is not its."""
    folder = tmp_path_factory.mktemp("kafka")
    made = present(lambda: LocalBroker(folder, [known["ours"], known["misnamed"]]))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def topic(broker):
    """A topic with some records."""
    topic = collaboration.create_topic(broker)
    collaboration.produce(broker, topic, collaboration.log()[:RECORDS])
    return topic


def secured(topic, trusted):
    """The environment of a run that trusts a certificate."""
    return {
        "KAFKA__TOPICS": topic,
        "KAFKA__PROPERTIES__SECURITY_PROTOCOL": "SSL",
        "KAFKA__PROPERTIES__SSL_CA_LOCATION": str(trusted.certificate),
    }


def test_a_broker_whose_certificate_is_trusted_is_read(broker, known, topic, tmp_path):
    """With the certificate of who signed it, and in its own name."""
    environment = secured(topic, known["ours"])
    flags = ("--kafka-bootstrap", broker.tls_bootstraps[0], "--port", "0")
    with Northstar(
        tmp_path / "northstar.log", environment, str(COLLABORATION), *flags
    ) as northstar:
        northstar.begin()
        northstar.wait_until_ready()
        assert northstar.end()[0] == Exit.OK


@pytest.mark.parametrize(
    ("listener", "trusted", "fault", "advice"),
    [
        (
            0,
            "other",
            "the broker's certificate is not trusted: self-signed certificate",
            "kafka.properties.ssl.ca.location must name",
        ),
        (
            1,
            "misnamed",
            "the broker's certificate is of another name: IP address mismatch",
            "write brokers in kafka.bootstrap by a name that their certificate has",
        ),
    ],
    ids=["another signer", "another name"],
)
def test_a_broker_that_is_not_who_it_should_be_is_refused(
    broker, known, topic, listener, trusted, fault, advice
):
    """Exit code 5 at once, as for a wrong password, and what to look at."""
    where = broker.tls_bootstraps[listener]
    environment = secured(topic, known[trusted])

    ended = run_to_end(environment, str(COLLABORATION), "--kafka-bootstrap", where, "--port", "0")

    assert ended.code == Exit.UNREACHABLE
    (line,) = ended.words
    assert line.startswith(f"Kafka at {where}: {fault}")
    assert advice in line
    assert ended.took_s < REACHABLE_TIMEOUT_S + START_S


def test_a_listener_that_wants_tls_says_so(broker, topic):
    """Exit code 5, and what to set; librdkafka says that it does not answer."""
    where = broker.tls_bootstraps[0]

    ended = run_to_end(
        {"KAFKA__TOPICS": topic}, str(COLLABORATION), "--kafka-bootstrap", where, "--port", "0"
    )

    assert ended.code == Exit.UNREACHABLE
    (line,) = ended.words
    assert line.startswith(f"Kafka at {where}: it wants TLS; kafka.properties.security.protocol")
