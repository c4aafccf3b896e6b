"""The watching process: pictures in, noisy statistics out, and nothing in it that could recognise anybody.

Belongs here: what runs inside that process, and the words in which the door speaks to it. An import contract keeps embedders,
templates and trust cues out of whatever is imported from here, however indirectly.
"""
