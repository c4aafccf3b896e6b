"""What a person does on their own pages, and how they get there."""

from moretta.use_cases.subject.facade import OwnPages

__all__ = ["OwnPages"]
