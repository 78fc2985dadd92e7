"""What a vendor's answers show of its settings: the questions of ``make init``, and what is concluded from them."""
