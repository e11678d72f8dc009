"""`music_vae_serve` as a process, and requests to it, for the tests of the page."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse

COMMAND = "music_vae_tf.commands.music_vae_serve"
MODEL = "groovae_2bar_humanize"
OWN = {"x-music-vae": "1"}


class Served:
    """A server that runs: its address, and requests that it answers."""

    def __init__(self, process, address):
        self.process, self.address = process, address
        self.netloc = urllib.parse.urlsplit(address).netloc

    def ask(self, method, path, body=None, connection=None, **headers):
        """Status and body of a response."""
        one = connection or http.client.HTTPConnection(self.netloc, timeout=120)
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        one.request(method, path, body, {**OWN, **headers})
        response = one.getresponse()
        content = response.read()
        if connection is None:
            one.close()
        return response.status, content

    def sample(self, **fields):
        status, content = self.ask("POST", "/api/sample", {"model": MODEL, **fields})
        assert status == 200, content
        return json.loads(content)

    def end(self, number=signal.SIGTERM):
        """Ends it by a signal; gives its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(log, *flags):
    """Starts the command at a free port. `log` is a file for what it prints."""
    command = [sys.executable, "-m", COMMAND, "--port=0", *flags]
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=file, text=True, env=os.environ
        )
    try:
        for line in process.stderr:
            if found := re.search(r"Open (http://\S+) in a browser", line):
                break
        else:
            raise AssertionError(f"it ended with status {process.wait()}")
        yield Served(process, found[1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
