"""Tables that follow from finished trials; the driver makes them, without torch."""
