"""The garbage collector while a load runs."""

import contextlib
import gc
import threading
from collections.abc import Iterator

_LOCK = threading.Lock()
# The blocks that keep it at rest. Asking the collector itself means to count all that it leaves alone, which takes a
# tenth of a second in a process that has imported much.
_BLOCKS: set[object] = set()


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector from objects that exist already: walking through them takes a tenth of a load.

    If they are left alone already, by an outer block or by the host process, they stay so afterwards.
    """
    block = object()
    with _LOCK:
        is_first = not _BLOCKS and not gc.get_freeze_count()
        if is_first:
            gc.freeze()
        if _BLOCKS or is_first:
            _BLOCKS.add(block)
    try:
        yield
    finally:
        with _LOCK:
            was_ours = block in _BLOCKS
            _BLOCKS.discard(block)
            if was_ours and not _BLOCKS:
                gc.unfreeze()
