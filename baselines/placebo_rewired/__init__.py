"""Placebo, rewired graph: settings in method.toml; the code is in magbench.regularizers.rewired."""
