"""Hiding the faces of media, and checking that they are hidden.

Belongs here: which faces are hidden where, the order of the passes, the check. Does not belong here: finding faces in a picture,
drawing over them, decoding and encoding.
"""
