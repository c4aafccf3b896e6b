"""`rotated`: float32 templates under a secret rotation; renewable, and unlinkable without the key."""
