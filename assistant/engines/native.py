"""The border to llama.cpp: loads its low-level ctypes bindings and nothing else of llama-cpp-python, silently.

The package's own `__init__` also imports jinja2, diskcache (a pickle store with a CVE and no fix) and numpy: a third
of a second and 25 MB that a chat does not need. Its high-level API copies, re-detokenises and re-samples per token
(docs/experiments.md), so the decode loop is ours (llama.py).

Everything here may abort the process on bad input: only a supervised child should load a file that is not trusted.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

from assistant.engines import amx
from assistant.engines.plan import Plan
from assistant.errors import EngineError

N_OUTPUTS_MAX = 8  # rows of logits computed at once when candidates are scored; a reply needs one
_KEPT_LOG_LINES = 20
_GGML_LOG_LEVEL_ERROR = 4
_FLASH_ATTENTION = {"auto": -1, "disabled": 0, "enabled": 1}  # enum llama_flash_attn_type
_LOAD_WHOLE, _LOAD_MAPPED = 0, 1  # enum llama_load_mode

Handle = Any  # an opaque pointer of ctypes


@lru_cache(maxsize=1)
def library() -> ModuleType:
    """The bindings (`llama_cpp.llama_cpp`), initialised and silent. Raises EngineError if they cannot be loaded."""
    bare = "llama_cpp" not in sys.modules
    if bare:
        found = importlib.util.find_spec("llama_cpp")
        if found is None:
            raise EngineError("the model runtime llama-cpp-python is not installed; run `make` again to install it")
        sys.modules["llama_cpp"] = importlib.util.module_from_spec(found)  # a package that has not run its __init__
    try:
        bindings = importlib.import_module("llama_cpp.llama_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"the model runtime llama-cpp-python cannot be loaded: {error}; install it again with `make`"
        ) from error
    finally:
        if bare:
            del sys.modules["llama_cpp"]
    amx.switch_off()
    bindings.llama_log_set(_no_log(bindings), None)
    bindings.llama_backend_init()
    return bindings


def _no_log(bindings: ModuleType) -> Any:
    """A log callback that does nothing without waiting for Python's lock: libc's abs(), which ignores what it gets."""
    return ctypes.cast(ctypes.CDLL(None).abs, bindings.llama_log_callback)


@contextmanager
def _collect_errors(bindings: ModuleType) -> Iterator[list[str]]:
    """Keep the error lines that llama.cpp logs meanwhile: they say why a file does not load."""
    lines: list[str] = []

    def keep(level: int, text: bytes, _data: object) -> None:
        if level == _GGML_LOG_LEVEL_ERROR and len(lines) < _KEPT_LOG_LINES:
            lines.append(text.decode(errors="replace").strip())

    callback = bindings.llama_log_callback(keep)
    bindings.llama_log_set(callback, None)
    try:
        yield lines
    finally:
        bindings.llama_log_set(_no_log(bindings), None)


class AbortFlag:
    """Tells llama_decode() to stop, between two nodes of its graph; raise and lower it from any thread.

    The callback is libc's strlen() on a buffer of two bytes: "" is 0, so go on; one byte is 1, so stop. It is called
    some hundred times a token on the computing thread; a callback in Python would wait for the interpreter's lock
    each time, which the thread that brings the cancel may be holding.
    """

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(2)

    def raise_(self) -> None:
        self._buffer[0] = b"\1"

    def lower(self) -> None:
        self._buffer[0] = b"\0"

    def install(self, parameters: Any) -> None:
        parameters.abort_callback = ctypes.cast(ctypes.CDLL(None).strlen, library().ggml_abort_callback)
        parameters.abort_callback_data = ctypes.cast(self._buffer, ctypes.c_void_p)


def load_model(path: str, plan: Plan) -> Handle:
    """Load the weights. Raises EngineError with llama.cpp's own reason; may abort the process on a hostile file."""
    lib = library()
    parameters = lib.llama_model_default_params()
    parameters.load_mode = _LOAD_MAPPED if plan.use_mmap else _LOAD_WHOLE
    parameters.n_gpu_layers = plan.n_gpu_layers
    with _collect_errors(lib) as errors:
        model = lib.llama_model_load_from_file(path.encode("utf-8", "surrogateescape"), parameters)
    if not model:
        raise EngineError(_reason(errors))
    return model


def new_context(model: Handle, plan: Plan, abort: AbortFlag) -> Handle:
    """A context for one sequence of `plan.n_context` tokens. Raises EngineError, most often for lack of memory."""
    lib = library()
    parameters = lib.llama_context_default_params()
    parameters.n_ctx = plan.n_context
    parameters.n_batch = parameters.n_ubatch = plan.n_batch
    parameters.n_seq_max = 1
    parameters.n_outputs_max = parameters.n_outputs_max_per_seq = min(N_OUTPUTS_MAX, plan.n_batch)
    parameters.n_threads = plan.n_threads
    parameters.n_threads_batch = plan.n_threads_batch
    parameters.flash_attn_type = _FLASH_ATTENTION[plan.flash_attention]
    parameters.type_k = parameters.type_v = lib.GGML_TYPE_F16  # q8_0 prefills three times slower on CPUs
    parameters.no_perf = True
    abort.install(parameters)
    with _collect_errors(lib) as errors:
        context = lib.llama_init_from_model(model, parameters)
    if not context:
        raise EngineError(f"no context of {plan.n_context} tokens: {_reason(errors)}")
    return context


def load_adapter(model: Handle, path: str) -> Handle:
    """Load a low-rank adapter for a model; it is freed with the model. Raises EngineError with llama.cpp's reason."""
    lib = library()
    with _collect_errors(lib) as errors:
        adapter = lib.llama_adapter_lora_init(model, path.encode("utf-8", "surrogateescape"))
    if not adapter:
        raise EngineError(f"the adapter for choosing tools does not load: {_reason(errors)}")
    return adapter


def _reason(errors: list[str]) -> str:
    """The most telling of llama.cpp's error lines, without its function names."""
    told = [line for line in errors if line]
    if not told:
        return "llama.cpp gave no reason"
    return told[0].split(": ", 1)[-1][:300]


class Vocabulary:
    """Text to token ids and back."""

    def __init__(self, model: Handle) -> None:
        self._lib = library()
        self.handle: Handle = self._lib.llama_model_get_vocab(model)
        self.n_tokens = int(self._lib.llama_vocab_n_tokens(self.handle))
        # enum llama_vocab_type: SPM is 1. The space before the first word of a text is the tokeniser's, not the text's.
        self.is_sentencepiece = int(self._lib.llama_vocab_type(self.handle)) == 1
        self._pieces: dict[int, bytes] = {}
        self._buffer = ctypes.create_string_buffer(4096)  # longer than any token's text

    def tokenise(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text` (valid Unicode). With `special`, names of control tokens become those tokens."""
        if not text:
            return []
        raw = text.encode()
        room = len(raw) + 2  # one token a byte at worst, and the leading space of SentencePiece
        tokens = (ctypes.c_int32 * room)()
        count = self._lib.llama_tokenize(self.handle, raw, len(raw), tokens, room, False, special)
        if count < 0:
            raise EngineError(f"text of {len(raw)} bytes cannot be tokenised")
        return list(tokens[:count])

    def control_token(self, text: str) -> int | None:
        """The id of the token that is exactly this control text, None if the vocabulary has none."""
        tokens = self.tokenise(text, special=True)
        return tokens[0] if len(tokens) == 1 else None

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, b"" for a control token; may end inside a UTF-8 sequence."""
        known = self._pieces.get(token)
        if known is None:
            count = self._lib.llama_token_to_piece(self.handle, token, self._buffer, len(self._buffer), 0, False)
            known = self._pieces[token] = self._buffer.raw[: max(count, 0)]
        return known

    def ends_reply(self, token: int) -> bool:
        return bool(self._lib.llama_vocab_is_eog(self.handle, token))

    @property
    def separator(self) -> int:
        """The token between two texts: what a text without anything before it comes behind."""
        begin = int(self._lib.llama_vocab_bos(self.handle))
        return begin if begin >= 0 else int(self._lib.llama_vocab_eos(self.handle))

    @property
    def begin(self) -> int | None:
        """The token every prompt starts with, None if the model was trained without one."""
        if not self._lib.llama_vocab_get_add_bos(self.handle):
            return None
        token = int(self._lib.llama_vocab_bos(self.handle))
        return token if token >= 0 else None
