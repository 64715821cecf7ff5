"""
A neural network with robust criteria in PyTorch
================================================

A fifth of the targets is contaminated, all on one side. One network is trained with PyTorch's ``MSELoss`` and
``HuberLoss`` and with criteria of ``robustreg.torch``. The example needs PyTorch
(``pip install "robustreg[torch]"``).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import robustreg.torch as criteria
from robustreg import L1Regressor

torch.manual_seed(0)
torch.set_num_threads(1)  # the network is small


def signal(x):
    return torch.sin(3.0 * x) + 0.5 * x


x = 4.0 * torch.rand(500, 1) - 2.0
y = signal(x) + 0.2 * torch.randn(500, 1)
contaminated = torch.rand(500, 1) < 0.2
y[contaminated] += 3.0

# %%
# Thresholds of the criteria are in units of their input. So targets are divided by a robust scale of the errors.
# Here it comes from a median fit to powers of x.

powers = np.vander(x.numpy().ravel(), 10)[:, :-1]
residuals = y.numpy().ravel() - L1Regressor().fit(powers, y.numpy().ravel()).predict(powers)
scale = float(np.median(np.abs(residuals)) / 0.6745)
print(f"scale of the errors {scale:.2f}")

# %%
# All networks start from the same weights. Tukey's criterion gives no gradient at residuals beyond its threshold. So it continues
# a training with Huber's.


def train(*stages, steps=600):
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Linear(1, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 1),
    )
    for criterion in stages:
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(steps // len(stages)):
            optimiser.zero_grad()
            criterion(network(x), y / scale).backward()
            optimiser.step()
    return network


trainings = {
    "torch: MSELoss": [torch.nn.MSELoss()],
    "torch: HuberLoss(delta=1)": [torch.nn.HuberLoss()],
    "Huber(delta=1.345)": [criteria.Huber(delta=1.345)],
    "Cauchy()": [criteria.Cauchy()],
    "Huber(), then Tukey()": [criteria.Huber(), criteria.Tukey()],
}
grid = torch.linspace(-2.0, 2.0, 200).reshape(-1, 1)
curves, error = {}, {}
for name, stages in trainings.items():
    curves[name] = scale * train(*stages)(grid).detach()
    error[name] = float((curves[name] - signal(grid)).abs().mean())
    print(f"{name:26} mean distance to the true function {error[name]:.2f}")

# %%
# Huber's criteria limit the influence of a contaminated target: the smaller delta, the smaller the bias. Redescending criteria limit
# it further: Cauchy's, whose influence falls slowly, leaves some bias, and Tukey's, whose influence ends, next to none.

fig, (left, right) = plt.subplots(ncols=2, figsize=(9, 3.5), layout="constrained")
left.plot(x, y, ".", color="#bbbbbb", markersize=3)
left.plot(grid, signal(grid), color="black", linestyle="--", label="true function")
for name in ("torch: MSELoss", "torch: HuberLoss(delta=1)", "Huber(), then Tukey()"):
    left.plot(grid, curves[name], label=name)
left.legend(fontsize="small", loc="upper left")
left.set(xlabel="x", ylabel="y", ylim=(-2, 8), title="20 % contaminated targets")
right.barh(list(error), list(error.values()), color=["#bbbbbb"] * 2 + ["#1f77b4"] * 3)
right.invert_yaxis()
right.set(xlabel="mean distance to the true function")
plt.show()
