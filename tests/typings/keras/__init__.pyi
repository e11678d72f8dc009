# Keras without types: what pyright infers from its source mixes all backends.
from typing import Any

def __getattr__(name: str) -> Any: ...
