"""Where rows end up: the destination that the config names, its one writer, and the ledger of windows."""
