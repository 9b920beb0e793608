"""A moto server on the loopback, with throwaway credentials in the environment: the fixture `aws`, once a session.

Import it into a test module: `from tests.aws_server import aws`. Where moto is not faithful, a test says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from unittest import mock

import pytest

#: What the fixture puts in the environment, besides AWS_ENDPOINT_URL.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The endpoint URL of a moto server that stands until the session ends. All AWS clients find it by themselves."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    removed = [name for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION") if name in os.environ]
    with mock.patch.dict(os.environ, {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}):
        for name in removed:
            del os.environ[name]
        yield endpoint
    server.stop()
