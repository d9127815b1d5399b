#!/bin/bash
# sandbox.sh - pid 1 of one sandbox: lays a throw-away root over this machine's, moves into it and waits. Started by sandbox.ts.
#   usage: unshare --mount --pid --fork --net --uts --ipc --propagation private sandbox.sh NAME SIZE_MB CHECKOUT NODE [HOOK]
#   fd 3   one line is written when all is ready: `ready PID_ON_THE_HOST PID_OF_THE_LOG_LISTENER`. Then it is read until it
#          closes, however the test process at the other end comes to its end. With pid 1 the kernel ends all else in here.
#   HOOK   shell text that runs before pivot_root; $R is the new root
# Environment: POLYNS_TEST_LAYER, where `layer.sh unpack` has put its things, or POLYNS_TEST_LAYER_TAR to unpack them here.
set -eu
here=$(dirname "$(realpath "$0")")
. "$here/root.sh"
name=$1 size=$2 checkout=$3 node=$4 hook=${5-}
read -r pid _ </proc/self/stat # while /proc is still that of the starter's pid namespace

L=${POLYNS_TEST_LAYER-}
if [ -z "$L" ]; then
  L=/mnt # any directory: it is covered in our mount namespace only
  mount -t tmpfs -o mode=755 layer $L
  "$here/layer.sh" unpack "$POLYNS_TEST_LAYER_TAR" $L 3>&-
fi
B=$L/box R=$L/box/r
mount -t tmpfs -o "mode=755,size=${size}m" box "$B"
mkdir "$B/u" "$B/w" "$R" "$B/u/var"
# In the upper directory, not in a lower one: inode numbers then stay what they are.
mkdir -m 1777 "$B/u/tmp" "$B/u/var/tmp"
stack "$R" "$B/u" "$B/w" "$L/seed:$L/layer:/"
furnish "$R"
rm -f "$R/.dockerenv" # a machine, not a container, whatever this one was made of
mount --bind "$checkout" "$R/opt/polyns"
mount -o remount,bind,ro "$R/opt/polyns"
case $node in
  /usr/bin/node | /usr/local/bin/node) ;;
  *) : >>"$R/usr/local/bin/node"; mount --bind "$node" "$R/usr/local/bin/node" ;;
esac
[ -z "$hook" ] || eval "$hook"

mkdir "$R/.old"
cd "$R"
pivot_root . .old
cd /
umount -l /.old
rmdir /.old
echo "$name" >/proc/sys/kernel/hostname
echo "$name" >/etc/hostname
printf '127.0.0.1 localhost\n192.0.2.1 %s\n' "$name" >/etc/hosts
mount --bind /proc/sys /proc/sys # most sysctls are the machine's
mount -o remount,bind,ro,nosuid,nodev,noexec /proc/sys
mount --make-rshared / # as systemd does
# glibc takes no notice of 127.0.0.1 when it decides whether there is IPv4 at all: a second address.
ip -batch - <<'END'
link set lo up
addr add 192.0.2.1/32 dev lo
END
perl /opt/polyns/test/support/syslogd.pl /dev/log /run/syslog 3>&- </dev/null &
for _ in {1..500}; do [ ! -S /dev/log ] || break; sleep 0.01; done
echo "ready $pid $!" >&3
while read -r -u 3 _; do :; done
