"""The probe's child process: `python -m assistant.engines.measure`, a request on stdin, one JSON document on stdout.

Everything native happens here, so that a model that aborts or hangs the library takes only this process with it. Each
setting gets a slice of the time budget and yields a median; flash attention on and off are timed in turns (ABAB), so
that a neighbour who wakes up in the middle disturbs both.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy
import psutil

from assistant.engines import native
from assistant.engines.probe import Device, Measured, Request, Row, Runtime
from assistant.privacy import sandbox

_N_CONTEXT = 1536
_DEPTH = 1024  # tokens in the cache when flash attention is judged: its effect grows with depth
_BLOCK = 16  # tokens copied at a time to reach that depth without computing them
_SHORT_BATCH = 16
_QUESTION_BATCH = 50  # a short question and its template
_LONG_BATCH = 128
_BANDWIDTH_BYTES = 128 * 1024 * 1024  # per thread; more than a last-level cache keeps
_DEVICE_KINDS = {0: "cpu", 1: "gpu", 2: "igpu", 3: "accel"}  # enum ggml_backend_dev_type


def main() -> int:
    answer_file = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever native code prints must not mix with the answer
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    sandbox.enter_worker((Path(request.path),) if request.path else ())
    answer = _Session(request).measure() if request.path else Measured(_runtime(native.library()))
    with answer_file:
        answer_file.write(msgspec.json.encode(answer))
    return 0


class _Session:
    """One loaded model and what was timed on it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.log: list[str] = []
        self.llama: Any = native.library()
        self._keep_alive = self.llama.llama_log_callback(self._collect)
        self.llama.llama_log_set(self._keep_alive, None)
        self.rows: list[Row] = []
        self.n_vocab = 0

    def _collect(self, _level: int, text: bytes, _data: object) -> None:
        self.log.append(text.decode(errors="replace"))

    def measure(self) -> Measured:
        started, others_before_s = time.perf_counter(), _others_cpu_s()
        bandwidth = {n: _bandwidth_gbs(n) for n in dict.fromkeys((1, max(self.request.thread_counts)))}
        loading = time.perf_counter()
        model = self._load()
        if model is None:
            return Measured(_runtime(self.llama), error="".join(self.log[-3:]).strip() or "llama.cpp refused the file")
        load_s = time.perf_counter() - loading
        self._time_settings(model)
        self.llama.llama_model_free(model)
        duration_s = time.perf_counter() - started
        foreign = (_others_cpu_s() - others_before_s) / (duration_s * (psutil.cpu_count() or 1))
        sizes = _buffer_bytes(self.log)
        return Measured(
            runtime=_runtime(self.llama),
            load_s=load_s,
            duration_s=duration_s,
            foreign_share=min(1.0, max(0.0, foreign)),
            bandwidth_gbs=bandwidth,
            repacked_bytes=sizes.get("CPU_REPACK", 0),
            weight_bytes=sum(sizes.values()),
            rows=tuple(self.rows),
            taken_at_s=time.time(),
        )

    def _load(self) -> Any:
        parameters = self.llama.llama_model_default_params()
        parameters.n_gpu_layers = self.request.n_gpu_layers
        modes = self.llama.LLAMA_LOAD_MODE_NONE, self.llama.LLAMA_LOAD_MODE_MMAP
        parameters.load_mode = modes[self.request.use_mmap]
        model = self.llama.llama_model_load_from_file(self.request.path.encode(), parameters)
        if model:
            self.n_vocab = self.llama.llama_vocab_n_tokens(self.llama.llama_model_get_vocab(model))
        return model

    def _time_settings(self, model: Any) -> None:
        """Thread counts first, then flash attention with the best of them."""
        counts = self.request.thread_counts
        slice_s = self.request.budget_s / (2 * len(counts) + 5)
        plain = self._context(model, flash_attention=False)
        if plain is None:
            return
        self._warm_up(plain)
        for n_threads in counts:
            self.llama.llama_set_n_threads(plain, n_threads, n_threads)
            least = _QUESTION_BATCH if n_threads == counts[0] else _SHORT_BATCH
            self.rows.append(self._row(plain, n_threads, False, slice_s, least))
        best = max(self.rows, key=lambda row: row.decode_tps).n_threads
        flash = self._context(model, flash_attention=True)
        if flash is not None:
            self.llama.llama_set_n_threads(plain, best, best)
            self.llama.llama_set_n_threads(flash, best, best)
            self._warm_up(flash)
            self.rows.append(self._row(flash, best, True, slice_s, _QUESTION_BATCH))
            self._compare_deep(plain, flash, best, 2 * slice_s)
            self.llama.llama_free(flash)
        self.llama.llama_free(plain)

    def _context(self, model: Any, *, flash_attention: bool) -> Any:
        parameters = self.llama.llama_context_default_params()
        parameters.n_ctx = _N_CONTEXT
        parameters.n_batch = parameters.n_ubatch = _LONG_BATCH
        parameters.n_seq_max = 2
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = max(self.request.thread_counts)
        parameters.no_perf = True
        kinds = self.llama.LLAMA_FLASH_ATTN_TYPE_DISABLED, self.llama.LLAMA_FLASH_ATTN_TYPE_ENABLED
        parameters.flash_attn_type = kinds[flash_attention]
        return self.llama.llama_init_from_model(model, parameters)

    def _warm_up(self, context: Any) -> None:
        """Page in weights and buffers, start the threads: the first of each kind of batch is slower than the rest."""
        self._feed(context, _SHORT_BATCH)
        self._feed(context, 1)

    def _row(self, context: Any, n_threads: int, flash_attention: bool, slice_s: float, least: int) -> Row:
        self._clear(context)
        decode_ms = self._decode_ms(context, slice_s)
        ms_per_token = decode_ms / 3  # a guess: batches read the weights once for all their tokens
        affordable = [n for n in (_QUESTION_BATCH, _LONG_BATCH) if n * ms_per_token <= 1000 * slice_s]
        prefill_tps = self._prefill_tps(context, slice_s, max(affordable, default=least))
        return Row(n_threads, flash_attention, 0, prefill_tps, 1000 / decode_ms)

    def _prefill_tps(self, context: Any, slice_s: float, n_tokens: int) -> float:
        """Tokens per second of the fastest batch of this size, of as many as the slice allows."""
        best_ms = float("inf")
        deadline = time.perf_counter() + slice_s
        while best_ms == float("inf") or time.perf_counter() + best_ms / 1000 < deadline:
            self._clear(context)
            best_ms = min(best_ms, self._timed_ms(lambda: self._feed(context, n_tokens)))
        return 1000 * n_tokens / best_ms

    def _decode_ms(self, context: Any, slice_s: float, most: int = 32) -> float:
        """Median milliseconds of one token, of at least four."""
        times: list[float] = []
        deadline = time.perf_counter() + slice_s
        while len(times) < 4 or (time.perf_counter() < deadline and len(times) < most):
            times.append(self._timed_ms(lambda: self._feed(context, 1)))
        return statistics.median(times)

    def _compare_deep(self, plain: Any, flash: Any, n_threads: int, slice_s: float) -> None:
        if not (self._deepen(plain) and self._deepen(flash)):
            return
        times: dict[bool, list[float]] = {False: [], True: []}
        deadline = time.perf_counter() + slice_s
        while len(times[True]) < 4 or (time.perf_counter() < deadline and len(times[True]) < 32):
            for flash_attention, context in ((False, plain), (True, flash)):
                times[flash_attention] += [self._timed_ms(functools.partial(self._feed, context, 1)) for _ in range(2)]
        for flash_attention, samples in times.items():
            tps = 1000 / statistics.median(samples)
            self.rows.append(Row(n_threads, flash_attention, _DEPTH, 0.0, tps))

    def _deepen(self, context: Any) -> bool:
        """Fill the cache to _DEPTH tokens by copying one computed block to later positions: the cost of attention
        depends on how many cells there are, not on what is in them. False where the cache cannot be shifted."""
        llama = self.llama
        memory = llama.llama_get_memory(context)
        if not llama.llama_memory_can_shift(memory):
            return False
        self._clear(context)
        self._feed(context, _BLOCK)
        size = llama.llama_state_seq_get_size(context, 0)
        block = (ctypes.c_uint8 * size)()
        if llama.llama_state_seq_get_data(context, block, size, 0) != size:
            return False
        for start in range(_BLOCK, _DEPTH, _BLOCK):
            if llama.llama_state_seq_set_data(context, block, size, 1) == 0:
                return False
            llama.llama_memory_seq_add(memory, 1, 0, -1, start)
            llama.llama_memory_seq_cp(memory, 1, 0, -1, -1)
            llama.llama_memory_seq_rm(memory, 1, -1, -1)
        self._feed(context, 1)  # applies the shift
        return bool(llama.llama_memory_seq_pos_max(memory, 0) == _DEPTH)

    def _feed(self, context: Any, n_tokens: int) -> None:
        tokens = (self.llama.llama_token * n_tokens)(*((97 + 7919 * i) % self.n_vocab for i in range(n_tokens)))
        code = self.llama.llama_decode(context, self.llama.llama_batch_get_one(tokens, n_tokens))
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")
        self.llama.llama_synchronize(context)

    def _clear(self, context: Any) -> None:
        self.llama.llama_memory_clear(self.llama.llama_get_memory(context), False)

    @staticmethod
    def _timed_ms(work: Callable[[], None]) -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) * 1000


def _buffer_bytes(log: list[str]) -> dict[str, int]:
    """Model bytes by buffer type, from llama.cpp's own report on loading."""
    pattern = re.compile(r"(\S+) model buffer size\s*=\s*([\d.]+) MiB")
    found = pattern.findall("".join(log))
    return {name: sum(int(float(mib) * 2**20) for n, mib in found if n == name) for name, _ in found}


def _bandwidth_gbs(n_threads: int, repeats: int = 4) -> float:
    """Median GB/s of `n_threads` threads that each read their own array once (numpy releases the GIL)."""
    n_bytes = min(_BANDWIDTH_BYTES, psutil.virtual_memory().available // (4 * n_threads))
    arrays = [numpy.ones(n_bytes // 8) for _ in range(n_threads)]
    rates = []
    for _ in range(repeats):
        readers = [threading.Thread(target=numpy.dot, args=(array, array)) for array in arrays]
        started = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        rates.append(n_threads * n_bytes / (time.perf_counter() - started) / 1e9)
    return statistics.median(rates)


def _others_cpu_s() -> float:
    """CPU seconds spent by everybody but this process; time stolen by the hypervisor counts, it is a neighbour's."""
    times = psutil.cpu_times()._asdict()
    busy_s = sum(times.get(k, 0.0) for k in ("user", "nice", "system", "irq", "softirq", "steal"))
    return float(busy_s) - time.process_time()


def _runtime(llama: Any) -> Runtime:
    return Runtime(
        system_info=llama.llama_print_system_info().decode(errors="replace").strip(),
        gpu_offload=bool(llama.llama_supports_gpu_offload()),
        devices=_devices(),
    )


def _devices() -> tuple[Device, ...]:
    """The ggml devices, through the library that llama.cpp has already loaded."""
    folder = Path(str(native.library().__file__)).parent / "lib"
    file = next((f for f in sorted(folder.iterdir()) if f.name in ("libggml.so", "libggml.dylib", "ggml.dll")), None)
    if file is None:
        return ()
    libggml = ctypes.CDLL(str(file))

    def call(name: str, result: Any, *arguments: Any) -> Any:
        function = getattr(libggml, name)
        function.restype, function.argtypes = result, None
        return function(*arguments)

    devices = []
    for index in range(call("ggml_backend_dev_count", ctypes.c_size_t)):
        device = ctypes.c_void_p(call("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t(index)))
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        call("ggml_backend_dev_memory", None, device, ctypes.byref(free), ctypes.byref(total))
        name, description = (
            call(f"ggml_backend_dev_{what}", ctypes.c_char_p, device).decode(errors="replace")
            for what in ("name", "description")
        )
        kind = _DEVICE_KINDS.get(call("ggml_backend_dev_type", ctypes.c_int, device), "other")
        devices.append(Device(name, description, kind, free.value, total.value))
    return tuple(devices)


if __name__ == "__main__":
    sys.exit(main())
