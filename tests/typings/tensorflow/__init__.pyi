# TensorFlow without types. The stubs that pyright bundles contradict TensorFlow:
# explicit paddings of convolutions and custom gradients are errors there.
from typing import Any

def __getattr__(name: str) -> Any: ...
