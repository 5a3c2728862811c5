"""What a data set is like: its card, and the conflict report with homophily, agreement and duplicates."""
