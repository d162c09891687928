"""The way in: silence what dependencies would send or write, and only then load anything."""

from __future__ import annotations

import sys

from assistant.errors import EXIT_FAILURE, EXIT_INTERRUPTED, AssistantError, file_error
from assistant.privacy import environment


def main() -> int:
    """Run the command line; returns the exit code (assistant/errors.py lists them)."""
    environment.apply()
    try:
        from quantize.cli import main as command_line

        return command_line(sys.argv[1:])
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "gguf", "optimum", "safetensors"):
            raise
        print(f"quantize: needs {error.name}; install the extra: pip install 'homebody[quantize]'", file=sys.stderr)
        return EXIT_FAILURE
    except AssistantError as error:
        print(f"quantize: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if not (words := file_error(error)):
            raise
        print(f"quantize: {words}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
