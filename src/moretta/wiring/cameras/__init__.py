"""Cameras: a confined process each that reads, and the thread beside the door that looks after it.

Belongs here: what puts sources, connections, processes and memory together. Does not belong here: protocols and decoding (see
`vision.cameras`), what is made of the pictures (see `wiring.watching`).
"""
