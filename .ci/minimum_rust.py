"""Fails if a dependency needs a newer Rust than this crate says it needs.

Reads what `cargo metadata` prints for the features of interest. What the crate itself uses of the standard library is
watched by Clippy's `incompatible_msrv`, which knows the `rust-version` of Cargo.toml.
"""

import json
import sys


def version(text):
    return tuple(int(part) for part in text.split(".")[:2])


metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]
ours = packages[root]["rust_version"]

needed, queue = set(), [root]
while queue:
    node = queue.pop()
    if node in needed:
        continue
    needed.add(node)
    for dependency in nodes[node]["deps"]:
        if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
            queue.append(dependency["pkg"])

silent, newer = 0, []
for package in (packages[node] for node in needed):
    theirs = package["rust_version"]
    if theirs is None:
        silent += 1
    elif version(theirs) > version(ours):
        newer.append(f"{package['name']} {package['version']} needs Rust {theirs}")
print(f"{len(needed)} crates for Rust {ours}, {silent} of them say nothing of the Rust they need")
if newer:
    sys.exit("\n".join(newer))
