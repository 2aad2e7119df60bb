#!/usr/bin/env bash
# tools/fuzz.sh TIME runs every fuzz target of the module for TIME, one per processor at a time, and prints the output of
# each when it ends. It fails when one of them does.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# go test -list prints the targets of a package and then the package: "FuzzA", "FuzzB", "ok pkg 0.01s".
go test -list '^Fuzz' ./... >"$out/list" || { cat "$out/list"; exit 1; }
awk '/^Fuzz/ { names[n++] = $1 } /^ok/ { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' "$out/list" >"$out/targets"
[[ -s $out/targets ]] || { echo "no fuzz targets found" >&2; exit 1; }

# fuzz TIME PACKAGE NAME
fuzz() {
	local log
	log=$(mktemp)
	if go test -run '^$' -fuzz "^$3\$" -fuzztime "$1" -parallel 1 "$2" >"$log" 2>&1; then
		echo "ok   $2 $3: $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
	else
		echo "FAIL $2 $3"
		cat "$log"
		return 1
	fi
	rm -f "$log"
}
export -f fuzz

xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$0" "$1" "$2"' "$time" <"$out/targets"
echo "$(wc -l <"$out/targets") fuzz targets, $time each"
