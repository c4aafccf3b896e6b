"""Values, ports, pure maths and pure decisions.

Belongs here: frozen data that other layers pass around, the protocols they implement, and functions of numbers.
Does not belong here: input or output of any kind, or any import beyond numpy and the standard library.
"""
