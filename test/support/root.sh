# root.sh - sourced by layer.sh and sandbox.sh: a copy of this machine's root directory that is safe to write to.
# Must run in a mount namespace of its own whose mounts are private. shellcheck shell=bash

# stack ROOT UPPER WORK LOWER: an overlay whose writes go to UPPER. Plain whole-file copies: what lands in UPPER must make
# sense without this machine's lower layer.
stack() {
  mount -t overlay -o "lowerdir=$4,upperdir=$2,workdir=$3,index=off,metacopy=off,redirect_dir=off" overlay "$1"
}

# furnish ROOT: the kernel's file systems, new ones, so that nothing done to them reaches the machine.
furnish() {
  local name major minor
  mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
  # A new sysfs shows our network namespace. No cgroup file system is mounted: those would be the machine's own.
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$1/sys"
  mount -t tmpfs -o mode=755,nosuid dev "$1/dev"
  mkdir "$1/dev/pts" "$1/dev/shm"
  while read -r name major minor; do
    # Nodes of its own: a chmod of a bound one would reach the machine's /dev. Some containers allow only the latter.
    mknod -m 666 "$1/dev/$name" c "$major" "$minor" 2>/dev/null || {
      [ -c "/dev/$name" ] || continue
      : >"$1/dev/$name"
      mount --bind "/dev/$name" "$1/dev/$name"
    }
  done <<'END'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
fuse 10 229
END
  ln -s /proc/self/fd "$1/dev/fd"
  ln -s pts/ptmx "$1/dev/ptmx"
  ln -s fd/0 "$1/dev/stdin"
  ln -s fd/1 "$1/dev/stdout"
  ln -s fd/2 "$1/dev/stderr"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec devpts "$1/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev shm "$1/dev/shm"
  mount -t tmpfs -o mode=755,nosuid,nodev run "$1/run"
  mkdir "$1/run/lock" "$1/run/sshd"
}
