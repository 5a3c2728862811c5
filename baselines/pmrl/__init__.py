"""PMRL: settings in method.toml; the code is in magbench.regularizers.pmrl."""
