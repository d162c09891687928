"""Environment variables that silence what dependencies would send or write. Set before any third-party import.

This is the second line of defence only: the kernel's lock (sandbox.py) is the first. onnxruntime >= 1.29 sends
telemetry unless its variable is set before it is imported; its own API to switch it off does not work. Standard library
only.
"""

from __future__ import annotations

import os

QUIET = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: DNS and HTTPS to its maker, a device id on disk
    "HF_HUB_OFFLINE": "1",  # huggingface_hub: never ask the hub for what is not in the cache
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "GGML_NO_BACKTRACE": "1",  # llama.cpp: on an assertion it would attach gdb and print memory, prompts included
    "DO_NOT_TRACK": "1",
}


def apply() -> None:
    """Set the variables for this process and all it starts. They overrule the user's: these are promises."""
    os.environ.update(QUIET)
