"""Reading one camera from a descriptor that somebody else opened: a file, a connection or a device.

Belongs here: protocols, containers, decoding and scaling, none of which opens anything: it all runs in a process without files
and network. Does not belong here: connecting (see `links.cameras`), what is made of the pictures.
"""
