"""onnxruntime sessions as we want them: capped threads, no spinning, no arena that keeps memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assistant.errors import ModelRefusedError


def open_session(model: bytes | Path, n_threads: int = 1) -> Any:
    """An InferenceSession on the CPU. Raises ModelRefusedError when onnxruntime does not take the model.

    Without spinning: after each call the threads would otherwise burn a core for a while.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    refused = (native.InvalidProtobuf, native.InvalidGraph, native.Fail, native.NoSuchFile, native.InvalidArgument)
    try:
        source = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except refused as error:
        reason = str(error).splitlines()[0][:200]
        raise ModelRefusedError(f"the model file cannot be used: {reason}; pull it again") from error
