"""
An effect that a few samples make: a radar image
================================================

A satellite radar has measured a suburb of Munich in three frequency bands. The data are 1,573 pixels of the image. Does band 3
help to predict band 1, if band 2 is known? By least squares it does, with a p-value of 9e-5. By Huber and MM regression it does not.
"""

import matplotlib.pyplot as plt

from robustreg import HuberRegressor, L2Regressor, MMRegressor
from robustreg.datasets import load_radar_image
from robustreg.inference import summarize
from robustreg.plotting import CoefficientDisplay

image = load_radar_image()
X, y = image[["band_2", "band_3"]], image["band_1"]
fits = {"least squares": L2Regressor(), "Huber": HuberRegressor(), "MM": MMRegressor()}
summaries = {name: summarize(model.fit(X, y), X, y) for name, model in fits.items()}
for name, summary in summaries.items():
    coef, p_value = summary.table.loc["band_3", ["coef", "p_value"]]
    print(f"{name}: coefficient of band 3 {coef:.2f}, p-value {p_value:.2g}")

# %%
# The MM fit marks 43 samples as outliers, 3 % of all. Most of them are in two patches apart from the rest. Without the outliers,
# least squares agrees with MM.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
CoefficientDisplay.from_summaries(summaries, ax=left)
outlier = fits["MM"].outliers_
right.scatter(image.x, image.y, s=2, color="0.7", label="sample")
right.scatter(
    image.x[outlier], image.y[outlier], s=16, color="tab:red", label="outlier of the MM fit"
)
right.set(xlabel="x", ylabel="y", aspect="equal")
right.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
clean = L2Regressor().fit(X[~outlier], y[~outlier])
print(f"least squares without the outliers: coefficient of band 3 {clean.coef_[1]:.2f}")
plt.show()
