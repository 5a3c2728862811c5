"""Random plan: settings in method.toml; the code is in magbench.regularizers.random_plan."""
