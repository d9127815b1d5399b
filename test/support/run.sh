#!/bin/bash
# run.sh LAYER_TAR COMMAND [ARGS] - runs the root tests. It is pid 1 of a pid namespace of the whole run, with mounts of its
# own, so that even a test run that is killed leaves nothing: started by tools/test.mjs with
#   setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL --mount-proc --propagation private run.sh ...
# Exit status: the command's; 70 when it gave 0 but left processes running.
set -eu
here=$(dirname "$(realpath "$0")")
tar=$1
shift
for fd in /proc/$$/fd/*; do # whatever the starter of the tests had open must not reach the sandboxes
  fd=${fd##*/}
  if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then eval "exec $fd>&-"; fi # 255: this script
done
mount -t tmpfs -o mode=755 layer /mnt # any directory: it is covered in our mount namespace only
"$here/layer.sh" unpack "$tar" /mnt
mkdir -m 1777 /mnt/tmp
status=0
POLYNS_TEST_LAYER=/mnt TMPDIR=/mnt/tmp "$@" || status=$?

# What is still here was started by the tests. Sandboxes need a moment to end.
for _ in {1..50}; do
  left=()
  for p in /proc/[0-9]*; do
    [ "$p" = /proc/1 ] || left+=("${p#/proc/}")
  done
  [ ${#left[@]} -gt 0 ] || exit "$status"
  sleep 0.1
done
for pid in "${left[@]}"; do
  printf 'left running: %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
done
[ "$status" != 0 ] || status=70
exit "$status"
