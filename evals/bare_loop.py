"""The baseline: llama.cpp alone. A process that decodes greedily through the C interface and does nothing else.

`python -m evals.bare_loop '{"path": ..., "n_context": ..., ...}'` reads one JSON request a line from stdin and answers
each with one line on stdout. Per token it calls llama_decode and a greedy sampler in C: no text, no stop checks, no
Python sampling. Times are taken in here, around the loop, so that the pipe costs the baseline nothing.

The caller is `evals.bare_client.BareLoop`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reply = dict[str, Any]


class Loop:
    """One model, one context, one sequence. `depth` tokens are in the KV cache."""

    def __init__(self, llama: Any, settings: dict[str, Any]) -> None:
        self._llama = llama
        self._quiet = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(self._quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        model = llama.llama_model_default_params()
        model.load_mode = llama.LLAMA_LOAD_MODE_MMAP if settings["use_mmap"] else llama.LLAMA_LOAD_MODE_NONE
        model.n_gpu_layers = int(settings["n_gpu_layers"])
        self._model = llama.llama_model_load_from_file(str(settings["path"]).encode(), model)
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {settings['path']}")
        context = llama.llama_context_default_params()
        context.n_ctx = int(settings["n_context"])
        context.n_batch = int(settings["n_batch"])
        context.n_ubatch = int(settings["n_batch"])
        context.n_threads = int(settings["n_threads"])
        context.n_threads_batch = int(settings["n_threads_batch"])
        flash = settings["flash_attention"] in (True, "enabled")
        context.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context.no_perf = True
        self._context = llama.llama_init_from_model(self._model, context)
        if not self._context:
            raise SystemExit("llama.cpp cannot make a context")
        self._vocab = llama.llama_model_get_vocab(self._model)
        self._memory = llama.llama_get_memory(self._context)
        # In a chain, as llama.cpp's own programs do: outside one, sampling allocates the candidates for every token.
        chain = llama.llama_sampler_chain_default_params()
        chain.no_perf = True
        self._sampler = llama.llama_sampler_chain_init(chain)
        llama.llama_sampler_chain_add(self._sampler, llama.llama_sampler_init_greedy())
        self._n_batch = int(settings["n_batch"])
        self.depth = 0

    def info(self) -> Reply:
        llama = self._llama
        return {
            "n_context": llama.llama_n_ctx(self._context),
            "n_vocab": llama.llama_vocab_n_tokens(self._vocab),
            "n_threads": llama.llama_n_threads(self._context),
            "n_threads_batch": llama.llama_n_threads_batch(self._context),
            "peak_rss_bytes": _peak_rss_bytes(),
        }

    def tokenize(self, text: str, special: bool) -> Reply:
        data = text.encode()
        room = len(data) + 16
        tokens = (ctypes.c_int32 * room)()
        n = self._llama.llama_tokenize(self._vocab, data, len(data), tokens, room, False, special)
        return {"tokens": list(tokens[:n])}

    def rewind(self, depth: int) -> Reply:
        """Forget everything behind the first `depth` tokens."""
        self._llama.llama_memory_seq_rm(self._memory, 0, depth, -1)
        self.depth = depth
        return {"depth": depth}

    def prefill(self, tokens: list[int]) -> Reply:
        """Append tokens in whole batches and choose the next one: what a time to first token consists of."""
        started_ns, started_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        for at in range(0, len(tokens), self._n_batch):
            self._decode(tokens[at : at + self._n_batch])
        token = self._llama.llama_sampler_sample(self._sampler, self._context, -1)
        return {"token": token, **_spent(started_ns, started_cpu_ns), "depth": self.depth}

    def decode(self, token: int, n: int) -> Reply:
        """Append `token` and n - 1 of its greedy successors, one at a time; returns the n tokens chosen."""
        llama, context, sampler = self._llama, self._context, self._sampler
        decode, sample = llama.llama_decode, llama.llama_sampler_sample
        buffer = (ctypes.c_int32 * 1)(token)
        batch = llama.llama_batch_get_one(buffer, 1)
        tokens = []
        started_ns, started_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(n):
            if decode(context, batch):
                raise SystemExit("llama_decode failed: is the context full?")
            token = sample(sampler, context, -1)
            buffer[0] = token
            tokens.append(token)
        spent = _spent(started_ns, started_cpu_ns)
        self.depth += n
        return {"tokens": tokens, **spent, "depth": self.depth}

    def _decode(self, tokens: list[int]) -> None:
        buffer = (ctypes.c_int32 * len(tokens))(*tokens)
        if self._llama.llama_decode(self._context, self._llama.llama_batch_get_one(buffer, len(tokens))):
            raise SystemExit("llama_decode failed: is the context full?")
        self.depth += len(tokens)


def main(arguments: list[str]) -> int:
    import llama_cpp.llama_cpp as llama

    from assistant.engines import amx

    amx.switch_off()
    started_ns, started_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    loop = Loop(llama, json.loads(arguments[0]))
    operations: dict[str, Callable[..., Reply]] = {
        "info": loop.info,
        "tokenize": loop.tokenize,
        "rewind": loop.rewind,
        "prefill": loop.prefill,
        "decode": loop.decode,
    }
    _answer({"loaded": True, **_spent(started_ns, started_cpu_ns)})
    for line in sys.stdin:
        request = json.loads(line)
        _answer(operations[request.pop("op")](**request))
    return 0


def _answer(reply: Reply) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def _spent(started_ns: int, started_cpu_ns: int) -> Reply:
    return {
        "ms": (time.perf_counter_ns() - started_ns) / 1e6,
        "cpu_ms": (time.process_time_ns() - started_cpu_ns) / 1e6,
    }


def _peak_rss_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, where /proc does not exist
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
