"""Settings of the whole suite."""

import hypothesis
import matplotlib as mpl

mpl.use("Agg")

# Fits take milliseconds on one machine and a second on a busy one: no test fails for being slow.
hypothesis.settings.register_profile("robustreg", deadline=None, print_blob=True)
hypothesis.settings.load_profile("robustreg")
