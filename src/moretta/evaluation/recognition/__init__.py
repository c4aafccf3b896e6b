"""Accuracy and privacy of face recognition, measured in the terms of ISO/IEC 19795-1, 30136 and 24745.

Belongs here: pure functions of scores, vectors and decisions. Does not belong here: pictures, networks, keys.
"""
