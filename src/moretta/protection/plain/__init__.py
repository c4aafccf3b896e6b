"""`plain`: float32 templates as they are; the oracle that every other scheme must agree with."""
