"""One folder per paper: its protocol, its printed numbers, its claims and the verdicts on them."""
