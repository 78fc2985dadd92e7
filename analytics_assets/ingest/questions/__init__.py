"""What ``make check`` asks an endpoint: a function for each question, which says what is wrong, or nothing."""
