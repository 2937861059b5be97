#!/bin/bash
# What must be true of an executable that we ship: it needs nothing but the C library, and it is hardened.
#
#   check_shipped.sh EXECUTABLE
set -euo pipefail
executable=$1
findings=0

finding() {
    printf '%s: %s\n' "${executable##*/}" "$*"
    findings=$((findings + 1))
}

dynamic=$(readelf -dW "$executable")
while read -r library; do
    case "$library" in
        libc.so.6 | libm.so.6 | ld-linux-*.so.*) ;;
        *) finding "needs $library, which a node may not have" ;;
    esac
done < <(sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' <<<"$dynamic")

grep -q 'FLAGS_1.*NOW.*PIE' <<<"$dynamic" || finding "is no position-independent executable bound at start"
segments=$(readelf -lW "$executable")
grep -q GNU_RELRO <<<"$segments" || finding "has no segment that is read-only after relocation"
grep -q 'GNU_STACK.* RW ' <<<"$segments" || finding "has an executable stack"
readelf -nW "$executable" | grep -q 'Build ID' || finding "has no build id"

exit $((findings > 0))
