"""What Moretta can do, told with ports."""
