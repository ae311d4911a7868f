"""Prints every scalar of the event files in a directory: tag, step and value, separated by tabs.

Needs `pip install tensorboard`. Called by tests/it/sinks.rs; the reader is TensorBoard's own.
"""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
for tag in events.Tags()["scalars"]:
    for scalar in events.Scalars(tag):
        print(tag, scalar.step, repr(scalar.value), sep="\t")
