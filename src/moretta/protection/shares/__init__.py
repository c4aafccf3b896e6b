"""`shares`: templates as replicated secret shares of three parties, none of which can read a template, a probe or a score.

Source: Araki, Furukawa, Lindell, Nof, Ohara, "High-throughput semi-honest secure three-party computation with an honest
majority", CCS 2016. Parties are assumed to follow the protocol; what they see of each other's data is random.
"""
