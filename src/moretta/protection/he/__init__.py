"""`he`: BFV ciphertexts (SEAL's parameters and keys); the comparing side sees none of it, a key holder opens decisions."""
