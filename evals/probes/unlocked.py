"""The assistant with its environment but without its lock: would the software even try?

    python -m evals.probes.unlocked ARGUMENTS OF assistant

Only this program can do it; the product has no such switch. Workers keep their own restrictions, so that what they try
is refused there; the observers count attempts, whatever came of them.
"""

from __future__ import annotations

import sys

from assistant import __main__ as stub
from assistant.privacy import sandbox

if __name__ == "__main__":
    sandbox.lock = sandbox.status
    sys.exit(stub.main())
