#!/bin/sh
# `test` and `bench` with their arguments, a command of `gpunet`, or any other program; the demo by default.
set -eu
project=$(dirname "$0")/..
[ $# -gt 0 ] || set -- demo

case "$1" in
test)
    shift
    cd "$project"
    exec python -m pytest "$@"
    ;;
bench)
    shift
    cd "$project"
    exec python -m benchmarks "$@"
    ;;
demo | devices)
    exec gpunet "$@"
    ;;
*)
    exec "$@"
    ;;
esac
