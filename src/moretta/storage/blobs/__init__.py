"""Where encrypted photos and segment files are kept: a local folder, or a bucket by URL."""
