"""What the driver does: what is left -> Ray or Optuna -> rows in the store, and what people see meanwhile."""
