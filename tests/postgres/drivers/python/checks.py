"""What every part of the suite shares: where the server is, and how checks are counted."""

import os
import sys
import traceback

SCHEMA = os.environ.get("ALLONYM_SCHEMA", "drivers_python")
OPTIONS = f"-c search_path={SCHEMA},public -c work_mem=3MB"
# As whom a login has to be at the server.
ROLE = os.environ.get("ALLONYM_ROLE") or os.environ.get("PGUSER")
LARGE = 20 * 1024 * 1024


class Checks:
    """Counts what held; the first that does not ends the program."""

    def __init__(self, part):
        self.part = part
        self.count = 0

    def same(self, name, found, expected):
        if found != expected or not isinstance(found, type(expected)):
            self.fail(name, f"found {found!r:.500}, expected {expected!r:.500}")
        self.passed(name)

    def true(self, name, condition, found=None):
        if not condition:
            self.fail(name, f"found {found!r:.500}")
        self.passed(name)

    def raises(self, name, kind, action):
        """Runs an action that must fail in this way, and gives its error."""
        try:
            action()
        except kind as error:
            self.passed(name)
            return error
        except Exception as error:
            self.fail(name, f"{type(error).__name__}: {error}, expected {kind.__name__}")
        return self.fail(name, f"no error, expected {kind.__name__}")

    async def raises_later(self, name, kind, action):
        try:
            await action
        except kind as error:
            self.passed(name)
            return error
        except Exception as error:
            self.fail(name, f"{type(error).__name__}: {error}, expected {kind.__name__}")
        return self.fail(name, f"no error, expected {kind.__name__}")

    def passed(self, name):
        self.count += 1
        print(f"{self.part}: {name}", flush=True)

    def fail(self, name, why):
        print(f"{self.part}: {name}: FAILED: {why}", file=sys.stderr, flush=True)
        traceback.print_stack(limit=4)
        os._exit(1)
