"""The environments of workers that train together on this machine."""

import json
import os
import socket


def environments(number: int = 2) -> list[dict[str, str]]:
    """One for each worker, with the same addresses in TF_CONFIG; the first is the
    chief."""
    workers = [f"127.0.0.1:{port}" for port in _free_ports(number)]
    return [
        {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CONFIG": json.dumps(
                {
                    "cluster": {"worker": workers},
                    "task": {"type": "worker", "index": index},
                }
            ),
        }
        for index in range(number)
    ]


def _free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
