"""How fast a file decodes and how much memory it needs, beside its reference.

`python -m quantize.speed FILE REFERENCE N_THREADS` is a process of its own that imports neither torch nor
transformers, so that the peak is the runtime's. The rounds of the two files alternate: what slows the machine down
meets both, and the ratio stays honest on a shared machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from assistant.errors import ModelRefusedError
from quantize.runtime import Runtime, Sampler, open_runtime

N_CONTEXT = 512
N_TOKENS = 48
ROUNDS = 7
TIME_LIMIT_S = 900


def measure(file: Path, reference: Path, n_threads: int = 1) -> dict[str, dict[str, Any]]:
    """decode_tps, decode_tps_reference, decode_ratio (medians of rounds, with the lowest and highest), peak_memory_mb.

    Raises ModelRefusedError when a file cannot be loaded.
    """
    command = [sys.executable, "-m", "quantize.speed", str(file), str(reference), str(n_threads)]
    done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it died without a word"]
        raise ModelRefusedError(f"the speed of {file.name} cannot be measured: {reason[0]}")
    found: dict[str, dict[str, Any]] = msgspec.json.decode(done.stdout)
    return found


def _rounds(file: Path, reference: Path, n_threads: int) -> dict[str, dict[str, Any]]:
    with open_runtime(file, N_CONTEXT, n_threads=n_threads) as ours:
        ours.score(ours.tokenize("The history of the city begins " * 80)[:N_CONTEXT], N_CONTEXT - 2)
        _decode(ours)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1e6)
        with open_runtime(reference, N_CONTEXT, n_threads=n_threads) as theirs:
            _decode(theirs)
            pairs = [(_decode(ours), _decode(theirs)) for _ in range(ROUNDS)]
    return {
        "decode_tps": _spread([a for a, _ in pairs], "tokens/s"),
        "decode_tps_reference": _spread([b for _, b in pairs], "tokens/s"),
        "decode_ratio": _spread([a / b for a, b in pairs], "ratio"),
        "peak_memory_mb": _spread([peak_mb], "MB"),
    }


def _decode(runtime: Runtime) -> float:
    """Tokens per second of greedy decoding at batch size one."""
    prompt = runtime.tokenize("The history of the city begins")
    started = time.perf_counter()
    reply = runtime.sample([prompt], N_TOKENS, Sampler(temperature=0), seed=0)[0]
    return len(reply) / (time.perf_counter() - started)


def _spread(values: list[float], unit: str) -> dict[str, Any]:
    ordered = sorted(values)
    n = len(ordered)
    return {"value": ordered[n // 2], "low": ordered[0], "high": ordered[-1], "n": n, "unit": unit}


if __name__ == "__main__":
    found = _rounds(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(msgspec.json.encode(found).decode())
