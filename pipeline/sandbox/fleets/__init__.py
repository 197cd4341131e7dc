"""Auto Scaling: groups, their instances over time, and instance refreshes. Nothing of moto's is used for it."""
