"""Many loads at once, and loads that are killed: nothing is lost, doubled, left over or waited for for ever."""
