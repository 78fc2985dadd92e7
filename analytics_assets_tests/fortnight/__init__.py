"""Two weeks of an account, on a clock that is moved by hand: all that runs by itself, against all that happens."""
