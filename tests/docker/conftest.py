"""The services of docker/compose.yaml for all tests that use them."""

import pytest
from compose_services import Services, missing


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """PostgreSQL and the MLflow server of docker/compose.yaml."""
    if reason := missing():
        pytest.skip(reason)
    started = Services(tmp_path_factory.mktemp("services"))
    try:
        started.start("mlflow")
        yield started
    finally:
        started.close()
