#!/usr/bin/env bash
# The dashboard as it stands after SECONDS (60 by default), as dashboard.svg: tmux is the terminal, rich draws what
# it holds. Needs tmux and python3 with rich (pip install rich). Keys that choose the plot may follow: ./screenshot.sh 60 Right Right
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
cargo build --release
binary=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/thermograd-burn-dashboard
session=thermograd-dashboard-$$
tmux -u new-session -d -s "$session" -x 132 -y 38 "TERM=xterm-256color $binary --keep-going --epochs 100000"
trap 'tmux kill-session -t "$session"' EXIT
sleep "$seconds"
for key in "$@"; do tmux send-keys -t "$session" "$key"; sleep 0.3; done
sleep 1
tmux capture-pane -e -p -t "$session" > dashboard.ansi
python3 - <<'P'
import re
from io import StringIO
from rich.console import Console
from rich.text import Text
lines = open("dashboard.ansi", encoding="utf-8").read().rstrip("\n")
console = Console(record=True, width=132, file=StringIO(), force_terminal=True, legacy_windows=False)
console.print(Text.from_ansi(lines), end="", no_wrap=True, crop=True)
console.save_svg("dashboard.svg", title="cargo run --release")
# The reader's own font, none from elsewhere; and lines that are no longer than the window need no clipping.
svg = open("dashboard.svg", encoding="utf-8").read().replace("Fira Code, monospace", "monospace")
for needless in [r"@font-face \{.*?\}\s*", r'<clipPath id="[^"]*-line-\d+">.*?</clipPath>\s*', r' clip-path="url\(#[^"]*-line-\d+\)"']:
    svg = re.sub(needless, "", svg, flags=re.S)
open("dashboard.svg", "w", encoding="utf-8").write(svg)
P
rm dashboard.ansi
