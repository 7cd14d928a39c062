"""What the engine remembers inside a process."""

import sys


def forget() -> None:
    """Make the engine as it is in a new process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("recurra.engine."):
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
