"""Recognition in SQL: collections, persons, faces, segments, imports, and what lies outside of the database.

Every write of a collection's gallery locks the collection's row first, then touches whatever it needs; so two writes of one
collection run one after the other, those of two collections side by side, and none of them can wait for another in a circle.
"""
