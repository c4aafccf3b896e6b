"""Pictures in, measurements out: the only layer besides trust that sees pixels, and both live in the worker."""
