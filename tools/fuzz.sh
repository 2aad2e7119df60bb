#!/usr/bin/env bash
# tools/fuzz.sh TIME [PACKAGE...] runs every fuzz target of the packages (./...) for TIME, one per processor at a time, and
# says how each went when it ends. It fails when one of them does.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
shift || true
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The packages with fuzz targets, and their folders. Only these are built, once each, with coverage.
go list -f '{{.ImportPath}} {{.Dir}} {{range .TestGoFiles}}{{.}} {{end}}{{range .XTestGoFiles}}{{.}} {{end}}' "${@:-./...}" |
	while read -r package dir files; do
		targets=$(cd "$dir" && cat /dev/null $files | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
		[[ -n $targets ]] || continue
		binary=$out/$(echo "$package" | tr / _)
		go test -c -fuzz . -o "$binary" "$package"
		for target in $targets; do echo "$package $dir $binary $target"; done
	done >"$out/targets"
[[ -s $out/targets ]] || { echo "no fuzz targets found" >&2; exit 1; }

# once TIME DIR BINARY TARGET LOG
once() {
	(cd "$2" && "$3" -test.run '^$' -test.fuzz "^$4\$" -test.fuzztime "$1" -test.parallel 1 -test.fuzzminimizetime 100x \
		-test.fuzzcachedir "$3.$4.cache" >"$5" 2>&1)
}

# stopped LOG: did Go's fuzzing call the end of the time a failure? It then names no input (golang.org/issue/75804, mended in Go 1.27).
stopped() { grep -q 'context deadline exceeded' "$1" && ! grep -q 'Failing input\|panic:' "$1"; }

# fuzz TIME PACKAGE DIR BINARY TARGET
fuzz() {
	local log=$4.$5.log
	if once "$1" "$3" "$4" "$5" "$log" || { stopped "$log" && once "$1" "$3" "$4" "$5" "$log"; }; then
		echo "ok   $2 $5: $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
	else
		echo "FAIL $2 $5"
		cat "$log"
		return 1
	fi
}
export -f once stopped fuzz

xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$0" "$@"' "$time" <"$out/targets"
echo "$(wc -l <"$out/targets") fuzz targets, $time each"
