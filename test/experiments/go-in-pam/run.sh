#!/bin/sh
# Builds a PAM module in Go and ours in C, and puts both through the same hosts.
# Needs gcc, Go and libpam's headers; touches nothing outside a temporary folder.
# Usage: test/experiments/go-in-pam/run.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

(cd "$top" && go build -buildmode=c-shared -o "$dir/pam_go.so" ./test/experiments/go-in-pam)
gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -I"$top/wire/cwire" -o "$dir/pam_c.so" \
	"$top"/pam/module/*.c -Wl,-z,now,-z,relro,-z,defs -lpam
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$dir/host" "$here/host/host.c" -lpam

echo "$(go version); $(uname -sr); $(nproc) processors"
for kind in go c; do
	mkdir "$dir/$kind"
	for phase in auth account session; do
		args=""
		[ "$kind" = c ] && args=" socket=$dir/nobody.sock quiet"
		echo "$phase required $dir/pam_$kind.so$args"
	done >"$dir/$kind/test"
	echo
	echo "== module in $kind, $(stat -c %s "$dir/pam_$kind.so") bytes"
	for case in plain fork early as threads; do
		timeout 20 "$dir/host" "$dir/$kind" "$case" 2>"$dir/err" || {
			code=$?
			echo "$case: the host died with exit status $code: $(head -1 "$dir/err")"
		}
	done
done
