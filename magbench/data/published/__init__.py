"""Published data sets: found on a hub or in a folder, fetched, and converted into a store."""
