"""What tests of exports share."""

import magenta_js as on_this_machine
import pytest


@pytest.fixture(scope="session")
def magenta_js(tmp_path_factory):
    """A folder in which Node finds Magenta.js."""
    return on_this_machine.installed(tmp_path_factory)
