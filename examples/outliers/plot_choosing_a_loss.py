"""
Contaminated targets and a leverage point
=========================================

The same data three times: clean, with contaminated targets, and with one contaminated feature. A bounded loss
resists the contaminated targets. It does not resist the leverage point.
"""

import matplotlib.pyplot as plt
import numpy as np

from robustreg import HuberRegressor, L1Regressor, L2Regressor

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 60))
y = 1 + 0.5 * x + 0.3 * rng.normal(size=60)

wrong_targets = y.copy()
wrong_targets[-6:] -= 8  # the last tenth, all in one direction
wrong_feature = x.copy()
wrong_feature[30] *= 100  # one row in the wrong unit

cases = {
    "clean": (x, y),
    "contaminated targets": (x, wrong_targets),
    "one leverage point": (wrong_feature, y),
}
models = {
    "least squares": L2Regressor(),
    "Huber": HuberRegressor(alpha=0),
    "least absolute": L1Regressor(),
}

# %%
# The true slope is 0.5.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), layout="constrained")
for ax, (title, (feature, target)) in zip(axes, cases.items(), strict=True):
    ax.plot(feature, target, "k.", alpha=0.6)
    ends = np.array([feature.min(), feature.max()])
    for name, model in models.items():
        model.fit(feature[:, None], target)
        ax.plot(ends, model.predict(ends[:, None]), label=name)
        print(f"{title:18} {name:15} slope {model.coef_[0]:6.3f}")
    ax.set(title=title, xlabel="x")
axes[0].set_ylabel("y")
axes[0].legend()
plt.show()

# %%
# Contaminated targets have bounded influence, so Huber and L1 fits stay close to the others. The contaminated
# feature is a leverage point: all three fits are nearly horizontal, and its residual is not even large.
