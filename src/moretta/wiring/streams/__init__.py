"""The door's side of watching: cameras, the watching process, budgets and releases, put together and kept going.

Belongs here: what `moretta watch`, `Watcher` and `/v1/streams` share. Does not belong here: pictures, which the door never opens;
what is shown to whom.
"""
