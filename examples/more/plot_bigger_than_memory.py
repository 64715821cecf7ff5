"""
Bigger than memory
==================

A file that is mapped into memory is read as it is needed, some thousand samples at a time. With 500,000 samples or more the only
arrays with an entry for each sample are ``y`` and the results. Here the operating system checks that: it limits the memory of a process to less than
the size of the data, and the process fits them.
"""

import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from robustreg import HuberRegressor, L1Regressor

# %%
# A file
# ------
# One million samples of 20 features, written part by part. One target in ten is contaminated.

n, p = 1_000_000, 20
folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
coef = np.linspace(-1, 1, p)
X = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float64, shape=(n, p))
y = np.empty(n)
for start in range(0, n, 100_000):
    part = slice(start, start + 100_000)
    X[part] = rng.normal(size=(100_000, p))
    y[part] = X[part] @ coef + rng.normal(size=100_000)
    y[part] += 50 * (rng.random(100_000) < 0.1)
np.save(folder / "y.npy", y)
print(f"X.npy has {X.nbytes / 2**20:.0f} MiB")
X = np.load(folder / "X.npy", mmap_mode="r")

# %%
# A fit under a limit
# -------------------
# Another process may have 64 MiB more than it has when it starts to fit, much less than X. The limit is that of Linux
# for the data of a process, which does not count files that are mapped. A copy of X does not fit below it, but a Huber fit does.

PROGRAM = """
import sys
import numpy as np
from robustreg import HuberRegressor

X = np.load("X.npy", mmap_mode="r")
y = np.load("y.npy")
HuberRegressor().fit(X[:10_000], y[:10_000])  # imports what a fit needs
if sys.platform == "linux":
    import resource

    with open("/proc/self/status") as status:
        used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + (64 << 20), resource.RLIM_INFINITY))
try:
    np.array(X)
except MemoryError:
    print("X does not fit into the memory that is left")
model = HuberRegressor().fit(X, y)
print(f"Huber: optimality_ {model.optimality_:.0e}, {model.outliers_.mean():.1%} outliers")
print("coef_", model.coef_.round(2).tolist())
"""
run = subprocess.run(
    [sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False
)
print(run.stdout, run.stderr)

# %%
# What a fit allocates
# --------------------
# The peak of what Python and NumPy allocate in a fit, the data not counted. The fit to an array in memory is faster and keeps up to ten
# numbers for each sample. In the fit to a file `weights_` is the largest part: one number for each sample.


def peak(model, X, y):
    """Return the MiB that a fit allocates at the most."""
    tracemalloc.start()
    model.fit(X, y)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / 2**20


sizes = [500_000, 750_000, 1_000_000]
fig, ax = plt.subplots(layout="constrained")
for model, line in ((HuberRegressor(), "C0"), (L1Regressor(), "C1")):
    array = [peak(model, np.array(X[:size]), y[:size]) for size in sizes]
    file = [peak(model, X[:size], y[:size]) for size in sizes]
    ax.plot(sizes, array, "--o", color=line, label=f"{type(model).__name__}, array")
    ax.plot(sizes, file, "-o", color=line, label=f"{type(model).__name__}, file")
    print(type(model).__name__, "array", np.round(array), "file", np.round(file), "MiB")
ax.set(xlabel="samples", ylabel="MiB beside the data", ylim=(0, None), title="Peak memory of a fit")
ax.legend()
plt.show()
