"""Is everything there that the tasks will need, here and on the hosts? Findings as values, each with its remedy."""
