"""The garbage collector while a load runs."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """Have the garbage collector leave alone what is there already: to walk through it is a tenth of a load's time.

    Where it does so by then, for an outer block or for a host of its own accord, it goes on doing so afterwards.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
