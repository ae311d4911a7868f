"""A training loop in another language that leaves checkpoints behind.

    pip install numpy safetensors
    python examples/recipes/series.py runs/numpy
    cargo run --release --features safetensors --example checkpoints -- runs/numpy --rows hidden.weight

Least squares on standardised outputs: every row of `hidden.weight` is normalised over the batch, so
the loss does not change when a row is rescaled. SGD with weight decay; every 25 steps one file.
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

random = np.random.default_rng(1)
directory = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/numpy")
directory.mkdir(parents=True, exist_ok=True)

inputs, hidden, batch = 24, 6, 32
weight = random.normal(size=(hidden, inputs)).astype(np.float32)
scale = np.ones(hidden, dtype=np.float32)
target = random.normal(size=(hidden, inputs)).astype(np.float32)

for step in range(4001):
    if step % 25 == 0:
        # A dictionary of names and arrays is all that a checkpoint is. Write, then rename, so that
        # nobody reads half a file.
        file = directory / f"step-{step:06d}.safetensors"
        part = file.with_suffix(".part")
        save_file({"hidden.weight": weight, "hidden.scale": scale}, part)
        part.rename(file)
    x = random.normal(size=(batch, inputs)).astype(np.float32)
    y = x @ target.T / np.sqrt(inputs) + 0.5 * random.normal(size=(batch, hidden))
    # Forward: z is standardised over the batch.
    pre = x @ weight.T
    centred = pre - pre.mean(0)
    deviation = centred.std(0)
    z = centred / deviation
    error = scale * z - y
    # Backward.
    dz = error * scale / batch
    dpre = (dz - dz.mean(0) - z * (dz * z).mean(0)) / deviation
    gradient = dpre.T @ x
    rate = 0.2
    weight = (weight - rate * (gradient + 0.01 * weight)).astype(np.float32)
    scale = (scale - rate * (error * z).mean(0)).astype(np.float32)
print(f"wrote {len(list(directory.glob('*.safetensors')))} checkpoints to {directory}")
