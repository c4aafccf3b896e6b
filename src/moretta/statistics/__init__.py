"""Anonymous statistics: from sightings to visits, from visits to tables, from tables to noisy releases.

Belongs here: everything between a tracked face and a differentially private number. Does not belong here: pictures, models,
storage.
"""
