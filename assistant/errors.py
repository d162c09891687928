"""Every error a user can meet. Each message says what happened and what to do next.

AssistantError                exit 1   something went wrong
├── UsageError                exit 2   the command or a setting is wrong
│   ├── SettingsError                  settings.toml cannot be used
│   ├── FolderError                    a folder of the product is a link, a file or somebody else's
│   └── SchemaError                    a JSON schema is outside the supported subset
├── AudioError                exit 1   microphone or speaker cannot be used
├── PolicyError               exit 3   refused on purpose
│   ├── NetworkLockError               the network lock is not in force
│   ├── AlreadyRunningError            another chat screen owns this home
│   └── NotEnoughMemoryError           the model would not fit
├── ModelError                exit 4   a model is missing or broken
│   ├── ModelMissingError              not pulled yet
│   ├── ModelRefusedError              wrong hash, malformed header, unknown template, not a regular file
│   │   └── ModelCrashed               the file crashed the process that loaded it: it is set aside
│   └── FetchError                     no source delivered the file
├── EngineError               exit 4   the model process failed
│   ├── EngineCrashed                  the process died; it is being restarted
│   ├── EngineTimeout                  no answer before the deadline
│   └── PromptTooLong                  the prompt does not fit the context; carries the numbers
├── GatewayError              exit 1   a real home cannot be reached, or did not do it
├── DocumentError             exit 1   a document cannot be read; the others are unharmed
└── HistoryError              exit 1   the conversation store cannot be used
    ├── HistoryLocked                  wrong or missing passphrase
    ├── HistoryDamaged                 failed its integrity check; the file is left untouched
    └── HistoryTooNew                  written by a newer version; the file is left untouched
"""

from __future__ import annotations

import errno

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_MODEL = 4
EXIT_INTERRUPTED = 130


class AssistantError(Exception):
    """Base of all errors with a message for the user; `exit_code` is what the command line returns."""

    exit_code = EXIT_FAILURE


class UsageError(AssistantError):
    exit_code = EXIT_USAGE


class SettingsError(UsageError):
    pass


class FolderError(UsageError, OSError):
    """A folder of the product's own is a link, a file, or somebody else's; an OSError for who handles disks."""


class SchemaError(UsageError):
    pass


class AudioError(AssistantError):
    pass


class PolicyError(AssistantError):
    exit_code = EXIT_REFUSED


class NetworkLockError(PolicyError):
    pass


class AlreadyRunningError(PolicyError):
    pass


class NotEnoughMemoryError(PolicyError):
    pass


class ModelError(AssistantError):
    exit_code = EXIT_MODEL


class ModelMissingError(ModelError):
    pass


class ModelRefusedError(ModelError):
    pass


class ModelCrashed(ModelRefusedError):
    """`how` is the signal or code that the process ended with, and its last words."""

    def __init__(self, file_name: str, how: str = "it died") -> None:
        super().__init__(f"{file_name} makes the model process crash while it loads ({how}); choose another model")
        self.how = how


class FetchError(ModelError):
    pass


class EngineError(AssistantError):
    exit_code = EXIT_MODEL


class EngineCrashed(EngineError):
    pass


class EngineTimeout(EngineError):
    pass


class PromptTooLong(EngineError):
    """The prompt and the room kept for the reply exceed the context.

    `message_tokens` holds the token count of each message of the prompt in order, so that the caller can decide
    how many of the oldest to drop; `n_context` is the size of the context in tokens.
    """

    def __init__(self, message_tokens: list[int], n_context: int) -> None:
        super().__init__(
            f"the message needs {sum(message_tokens)} tokens, and with room for a reply the context of {n_context} "
            "tokens is too small; shorten the message, or raise context_tokens in the settings"
        )
        self.message_tokens = message_tokens
        self.n_context = n_context


class GatewayError(AssistantError):
    pass


class DocumentError(AssistantError):
    pass


class HistoryError(AssistantError):
    pass


class HistoryLocked(HistoryError):
    pass


class HistoryDamaged(HistoryError):
    pass


class HistoryTooNew(HistoryError):
    pass


_NEXT_STEPS = {
    errno.ENOENT: "check the spelling, and that the folder exists",
    errno.EACCES: "see who may read and write there",
    errno.EPERM: "see who may read and write there",
    errno.EROFS: "choose a folder that can be written",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another place",
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some space on that disk",
}


def file_error(error: OSError) -> str:
    """One line for an error of the file system that nobody expected: which file, what is wrong, what to do next.

    "" where the error names no file, because then it may be anything.
    """
    if not isinstance(error.filename, (str, bytes)):
        return ""
    name = error.filename if isinstance(error.filename, str) else error.filename.decode(errors="replace")
    step = _NEXT_STEPS.get(error.errno or 0, "")
    return f"{name} cannot be used: {error.strerror or type(error).__name__}" + (f"; {step}" if step else "")
