#!/bin/bash
# layer.sh - the Debian packages that the root tests need, as a layer over this machine's root directory. Run as root.
#   layer.sh ensure           build the layer unless .cache/ has it; print the path of its archive
#   layer.sh unpack TAR DIR   put DIR/layer (the packages) and DIR/seed (homes, keys) in place; DIR: on a tmpfs
# POLYNS_LAYER_PACKAGES: another list than packages.txt, for a layer of its own (test/vm).
# The machine itself is only read: apt-get and dpkg work in an overlay whose writes go to a tmpfs, in a mount namespace
# that ends with them. The network is the machine's, for apt-get; no service is started.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cache=$(realpath "$here/../..")/.cache
list=${POLYNS_LAYER_PACKAGES:-$here/packages.txt}
name=layer
[ -z "${POLYNS_LAYER_PACKAGES-}" ] || name=layer.$(basename "$(dirname "$list")")
. "$here/root.sh"

say() { printf 'layer: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
packages() { sed -e 's/#.*//' "$list" | awk 'NF { print $1 }'; }
# Whatever changes what the layer would hold, or what it may be laid over.
key() {
  cat "$list" "$0" "$here/root.sh" /etc/debian_version /var/lib/dpkg/status /etc/passwd /etc/group |
    sha256sum | cut -c1-20
}

ensure() {
  [ "$(id -u)" = 0 ] || die 'needs root'
  command -v apt-get >/dev/null || die 'needs apt-get: this is not a Debian system'
  mkdir -p "$cache"
  local tar
  tar=$cache/$name-$(key).tar
  if [ ! -e "$tar" ]; then
    exec 9>"$cache/layer.lock"
    flock -n 9 || { say 'another run is building it, waiting'; flock -w 1200 9 || die 'still locked after 20 minutes'; }
    if [ ! -e "$tar" ]; then # nobody built it while we waited
      say "installing $(packages | wc -l) packages and what they depend on into an overlay (once, about a minute)"
      SECONDS=0
      timeout -k 10 1200 unshare --mount --pid --fork --kill-child=KILL --uts --ipc --propagation private \
        "$0" build-inside "$tar.new" 9>&- </dev/null >&2 || die "not built; the apt-get output is in $cache/layer.log"
      mv "$tar.new" "$tar"
      find "$cache" -maxdepth 1 -name "$name-*.tar" ! -path "$tar" -delete
      say "built in $SECONDS s, $(du -m "$tar" | cut -f1) MB"
    fi
  fi
  printf '%s\n' "$tar"
}

# In namespaces of our own from here on.
build_inside() {
  local out=$1 B=/mnt # any directory: it is covered in our mount namespace only
  exec 8>"$cache/layer.log"
  mount -t tmpfs -o mode=755 layer $B
  mkdir $B/u $B/w $B/r
  local U=$B/u R=$B/r
  stack $R $U $B/w /
  furnish $R
  local f
  for f in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmp "$R/$f"; done
  # In a container these two are mounts, which the overlay does not show. Whatever is written here goes at the end.
  for f in resolv.conf hosts; do
    rm -f "$R/etc/$f"
    cat "/etc/$f" >"$R/etc/$f" 2>/dev/null || :
  done
  printf '#!/bin/sh\nexit 101\n' >$R/usr/sbin/policy-rc.d # invoke-rc.d: start nothing
  chmod 755 $R/usr/sbin/policy-rc.d
  local apt='apt-get -q -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io -o DPkg::Options::=--force-confold'
  local proxy=()
  for f in http_proxy https_proxy no_proxy; do [ -z "${!f-}" ] || proxy+=("$f=${!f}"); done
  in_root() { chroot $R env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${proxy[@]}" "$@" >&8 2>&8; }
  in_root $apt update || { tail -n 3 "$cache/layer.log" >&2; die 'apt-get update failed: no network, or a wrong sources.list'; }
  say "package lists read ($SECONDS s)"
  in_root $apt install -y --no-install-recommends --no-upgrade $(packages) || { tail -n 5 "$cache/layer.log" >&2; die 'apt-get install failed'; }
  say "installed ($SECONDS s)"
  # carol: a user whose sessions can be chosen by group. '*': no password, but not locked.
  in_root useradd -M -s /bin/bash -p '*' -u 5001 -U alice
  in_root useradd -M -s /bin/bash -p '*' -u 5002 -U bob
  in_root useradd -M -s /bin/bash -p '*' -u 5003 -U -G staff carol
  printf 'alice ALL=(ALL:ALL) NOPASSWD: ALL\n' >$R/etc/sudoers.d/alice
  chmod 440 $R/etc/sudoers.d/alice
  umount -R $R

  rm -rf $U/var/lib/apt/lists $U/var/cache $U/usr/share/{doc,man,locale,info,lintian} $U/usr/sbin/policy-rc.d $U/etc/ssh/ssh_host_* \
    $U/tmp $U/home $U/root $U/run $U/dev $U/var/tmp $U/etc/resolv.conf $U/etc/hosts
  # Whiteouts: these directories of the machine are not shown. Each sandbox, or the seed, has its own.
  for f in tmp var/tmp home root; do mknod $U/$f c 0 0; done
  tar -C $U --xattrs --xattrs-include=security.capability --xattrs-include='trusted.overlay.*' --xattrs-exclude=trusted.overlay.origin \
    -cf "$out" .
  chmod 600 "$out"
}

# Also in a mount namespace of our own: TAR DIR.
unpack() {
  local tar=$1 dir=$2 name uid gid
  mkdir "$dir/layer" "$dir/seed" "$dir/box"
  tar -C "$dir/layer" --xattrs --xattrs-include='*' -xpf "$tar"
  cd "$dir/seed"
  mkdir -p -m 755 home etc/ssh opt/polyns
  mkdir -p -m 700 root/.ssh
  keygen "$dir" root/.ssh/id_ed25519 etc/ssh/ssh_host_ed25519_key
  # Fixed client settings, so that a test can say plain `ssh alice@127.0.0.1`.
  printf '%s\n' 'Host *' 'BatchMode yes' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' 'LogLevel ERROR' \
    'ConnectTimeout 10' >root/.ssh/config
  while IFS=: read -r name _ uid gid _; do
    case $name in alice | bob | carol) ;; *) continue ;; esac
    cp -a /etc/skel "home/$name"
    mkdir "home/$name/.ssh"
    cp root/.ssh/config root/.ssh/id_ed25519 root/.ssh/id_ed25519.pub "home/$name/.ssh"
    cp root/.ssh/id_ed25519.pub "home/$name/.ssh/authorized_keys"
    chown -R "$uid:$gid" "home/$name"
    chmod 700 "home/$name" "home/$name/.ssh"
  done <"$dir/layer/etc/passwd"
}

# keygen DIR FILE...: with the layer's ssh-keygen, new keys for each run.
keygen() {
  local dir=$1 r=$1/box/r f
  shift
  mkdir "$dir/box/u" "$dir/box/w" "$r"
  stack "$r" "$dir/box/u" "$dir/box/w" "$dir/layer:/"
  furnish "$r"
  for f; do
    chroot "$r" ssh-keygen -q -t ed25519 -N '' -C test -f /run/key
    mv "$r/run/key" "$dir/seed/$f"
    mv "$r/run/key.pub" "$dir/seed/$f.pub"
  done
  umount -R "$r"
  rm -rf "$dir/box/u" "$dir/box/w" "$r"
}

case ${1-} in
  ensure) ensure ;;
  build-inside) build_inside "$2" ;;
  unpack) unpack "$2" "$3" ;;
  *) die 'usage: layer.sh ensure | unpack TAR DIR' ;;
esac
