"""What every test gets: a cache folder of its own, so that no test sees what another, or the user, kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own() -> Iterator[Path]:
    """Point flowkit's cache to a folder that goes away with the session."""
    before = os.environ.get("FLOWKIT_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="flowkit-tests-") as folder:
        os.environ["FLOWKIT_CACHE_DIR"] = folder
        yield Path(folder)
        if before is None:
            del os.environ["FLOWKIT_CACHE_DIR"]
        else:
            os.environ["FLOWKIT_CACHE_DIR"] = before
