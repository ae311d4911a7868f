"""Change points of ruptures 1.1.10 on seeded series, for tests/it/phase_transition/change_points.rs.

    pip install ruptures==1.1.10 && python tests/golden/change_points.py > tests/golden/change_points.json

Change points are integers and are compared exactly; the penalties are far from any tie.
ruptures' normal cost is n ln(variance + 1e-6), ours n (ln 2 pi variance + 1): the difference is the same for
every segmentation. Its kernel cost is ours times the cost of one element of the whole series, which is stored.
"""

import json
import random

import numpy as np
import ruptures as rpt


def series(seed, n):
    rng = random.Random(seed)
    level, width, x = 0.0, 1.0, []
    for _ in range(n):
        if rng.random() < 0.02:
            level, width = rng.gauss(0, 3), rng.choice([0.5, 1.0, 2.0])
        x.append(round(level + width * rng.gauss(0, 1), 6))
    return x


cases = []
for seed in range(12):
    x = series(seed, 250)
    signal = np.array(x).reshape(-1, 1)
    gamma = 0.5
    kernel = np.exp(-gamma * (signal - signal.T) ** 2)
    n = len(x)
    cases.append(
        {
            "series": x,
            "mean": rpt.Pelt(model="l2", min_size=2, jump=1).fit(signal).predict(pen=15.0)[:-1],
            "normal": rpt.Pelt(model="normal", min_size=5, jump=1).fit(signal).predict(pen=18.0)[:-1],
            "kernel": rpt.KernelCPD(kernel="rbf", min_size=3, params={"gamma": gamma})
            .fit(signal)
            .predict(pen=4.0)[:-1],
            "kernel_per_element": float((n - kernel.sum() / n) / n),
        }
    )
print(json.dumps({"mean_penalty": 15.0, "normal_penalty": 18.0, "kernel_penalty": 4.0, "gamma": 0.5, "cases": cases}, default=int))
