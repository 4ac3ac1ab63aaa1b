"""Batches of states on the workers of a dask cluster (extra ``cluster``)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mcu_updater.core.errors import PortError

PATIENCE_S = 5


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An executor whose work is done by the workers of the scheduler at *address*.

    They need the same releases of these packages, and of the extra ``cpu`` for firmware. Raises
    PortError where the extra is not installed, nobody answers, or there is no worker.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise PortError(
            "no dask is installed, which --scheduler needs",
            where=address,
            then="pip install 'mcu-updater[cluster]'",
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it would tell errors twice
    try:
        client = distributed.Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise PortError(
            "no dask scheduler answers",
            where=address,
            expected="an address such as tcp://host:8786",
            found=str(error) or type(error).__name__,
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise PortError(
                "the dask scheduler has no workers",
                where=address,
                then=f"Start some: dask worker {address}",
            )
        executor: Executor = client.get_executor()
        yield executor
