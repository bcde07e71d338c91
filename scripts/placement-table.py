#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""epsim: the table of docs/placement.md that sets searched plans beside EPLB.

    scripts/placement-table.py [SECONDS] [WORDS...]

Eight ranks on two nodes, two layers of DeepSeek-V2-Lite, --dedup node, 0, 8 and 16 extra slots, on
the four profiles of examples/clusters: fitted to the first half of a trace and judged on the second,
and fitted to one trace and judged on the other. EPLB is the better of its placement with copies in turn
and with the nearest ones; the other plans are other placements, and all with the exact split.
SECONDS is --max-seconds of each search (600, by which they end by themselves). Rows whose text has
none of the WORDS are left out. BIN is the tool (.build/release/epsim).
"""
import json
import os
import subprocess
import sys

LAW = "examples/traces/deepseek-v2-lite-law.safetensors"
INTENT = "Tests/Fixtures/traces/deepseek-v2-lite-intent.safetensors"
PROFILES = ["core-1gbe", "h100-1gbe", "core-100gbe", "h100-100gbe"]
TOKENS = {
    "law": [LAW],
    "intent": [INTENT],
    "law, on intent": [LAW, "--judge", INTENT],
    "intent, on law": [INTENT, "--judge", LAW],
}


def place(profile, extra, tokens, seconds):
    command = [
        os.environ.get("BIN", ".build/release/epsim"), "place", "--model", "deepseek-v2-lite",
        "--layers", "5,15", "--ranks", "8", "--nodes", "2", "--dedup", "node",
        "--cluster", f"examples/clusters/{profile}.yaml", "--replica-choice", "expert-rr,nearest,split",
        "--placement", f"contiguous,eplb+{extra},hypergraph+{extra},search+{extra}",
        "--max-seconds", seconds, "--json", "--workload",
    ] + TOKENS[tokens]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def milliseconds(value):
    return f"{value * 1e3:.3g}"


def is_eplb(row):
    """EPLB with a rule of the engines that use it; split and other placements are the lab's."""
    return row["placement"].startswith("eplb") and row["replica_choice"] != "split"


def row(profile, extra, tokens, seconds):
    record = place(profile, extra, tokens, seconds)
    rows = [r for r in record["rows"] if r["slots"] == 64 + extra]
    time = lambda r: r["judged"]["step_seconds"]
    eplb = min((r for r in rows if is_eplb(r)), key=time)
    others = (r for r in rows if not is_eplb(r))
    best = min(others, key=time)
    verdict = next(
        words for words in record["remarks"] if words.startswith(f"{64 + extra} slots")
        or not words[0].isdigit())
    told = "at most" if "No plan can be more" in verdict else "undecided"
    gain = 1 - time(best) / time(eplb)
    left = 1 - eplb["seconds_bound"] / time(eplb)
    most = max(0, 1 - best["seconds_bound"] / min(time(best), time(eplb)))
    return (
        f"| {profile} | +{extra} | {tokens} | {milliseconds(time(eplb))} | {best['name']} "
        f"| {milliseconds(time(best))} | {gain * 100:.1f} % | {left * 100:.0f} % "
        f"| {told} {most * 100:.1f} % |")


def main():
    arguments = sys.argv[1:]
    seconds = arguments.pop(0) if arguments else "600"
    print("| cluster | slots | tokens | EPLB, ms | best other plan | ms | gain | left to EPLB | "
          "still better |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for profile in PROFILES:
        for extra in (0, 8, 16):
            for tokens in TOKENS:
                name = f"{profile} +{extra} {tokens}"
                if not arguments or any(word in name for word in arguments):
                    print(row(profile, extra, tokens, seconds), flush=True)


if __name__ == "__main__":
    main()
