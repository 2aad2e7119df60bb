#!/usr/bin/env bash
# Builds the tools that tests and lint use into .tools/bin, from source, with Go alone. What is there in the wanted version
# is left as it is, so a second run does nothing. "tools/install.sh golangci-lint" builds only that one.
set -euo pipefail

golangci_version=v2.15.0
otelcol_version=v0.155.0 # the modules of tools/otelcol.yaml have the same

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/.tools/bin
mkdir -p "$bin"
cd "$root/tools"

# Flags and workspaces meant for this module must not reach the tools' own builds.
export GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0

# fresh NAME STAMP: is NAME built, of what STAMP says?
fresh() { [[ -x $bin/$1 && -f $bin/.$1 && $(<"$bin/.$1") == "$2" ]]; }

golangci_lint() {
	local stamp="$golangci_version $(go env GOVERSION)"
	fresh golangci-lint "$stamp" && return
	echo "building golangci-lint $golangci_version"
	GOBIN=$bin go install -trimpath -ldflags=-s "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_version"
	echo "$stamp" >"$bin/.golangci-lint"
}

otelcol() {
	local stamp
	stamp="$otelcol_version $(cksum <otelcol.yaml)"
	fresh otelcol "$stamp" && return
	echo "building the OpenTelemetry Collector $otelcol_version"
	local work
	work=$(mktemp -d)
	trap 'rm -rf "$work"' RETURN
	GOBIN=$work go install "go.opentelemetry.io/collector/cmd/builder@$otelcol_version"
	cp otelcol.yaml "$work/manifest.yaml"
	echo "  output_path: $work/src" | sed -i '/^dist:$/r /dev/stdin' "$work/manifest.yaml"
	"$work/builder" --config "$work/manifest.yaml" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
	mv "$work/src/otelcol" "$bin/otelcol"
	echo "$stamp" >"$bin/.otelcol"
}

for tool in "${@:-golangci-lint otelcol}"; do
	for name in $tool; do
		case $name in
		golangci-lint) golangci_lint ;;
		otelcol) otelcol ;;
		*) echo "no such tool: $name (golangci-lint, otelcol)" >&2; exit 2 ;;
		esac
	done
done
