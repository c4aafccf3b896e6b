"""The report and its stylesheet: server-rendered, no asset from elsewhere."""
