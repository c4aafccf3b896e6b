"""The transparency log outside of the database: checkpoints as signed notes, proofs as files, and the witness."""
