"""Models of the Hugging Face Hub, by `hf://user/repository` or `...@revision`."""

from __future__ import annotations

import re

from music_vae_tf.checkpoint.finding import CheckpointError

SCHEME = "hf://"
WEIGHTS = "model.safetensors"
REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


def download(address: str) -> str:
    """The path of a repository's weights, downloaded where they are not in the cache.

    Raises:
        CheckpointError: the address is malformed, the repository has no such weights,
            or huggingface_hub is not installed.
    """
    match = REPOSITORY.fullmatch(address)
    if not match:
        raise CheckpointError(
            f"{address} is not an address of the Hugging Face Hub: expected "
            "hf://user/repository or hf://user/repository@revision"
        )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise CheckpointError(
            f"{address} needs huggingface_hub: pip install 'music_vae_tf[hub]'"
        ) from error
    try:
        return hf_hub_download(match[1], WEIGHTS, revision=match[2])
    except Exception as error:  # huggingface_hub raises those of its HTTP client too
        raise CheckpointError(
            f"{address} has no {WEIGHTS} that can be downloaded: {error}"
        ) from error
