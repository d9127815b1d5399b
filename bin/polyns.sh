#!/bin/sh
{ # To the last line: a shell that has half of this file must not take its end for a success.
# Starts polyns on Node with an environment of what polyns reads, made anew. At a login bin/polyns is called and calls this,
# without all that could reach the loader or the shell itself; whoever calls this one still runs no NODE_OPTIONS.
# Nothing here looks at PATH, and only a call by a symbolic link costs a fork: this runs at every login.
self=$0
if [ -h "$self" ]; then
  self=$(/usr/bin/readlink -f -- "$0") || exit 1
fi
case $self in
  */*) bin=${self%/*} ;;
  *) bin=. ;;
esac
program=$bin/../dist/start.cjs
if ! [ -s "$program" ]; then # Node takes an empty one for a success
  echo "polyns: no $program: build polyns again" >&2
  exit 4
fi

for node in /usr/lib/polyns/node /usr/bin/node /usr/local/bin/node /usr/bin/nodejs; do
  [ -x "$node" ] && break
done
if ! [ -x "$node" ]; then
  # A Node elsewhere is used only when somebody types the command: at a login PATH is not ours to trust.
  if [ "${PAM_TYPE+set}" = set ] || ! node=$(command -v node); then
    echo 'polyns: no Node.js at /usr/bin/node, /usr/local/bin/node or /usr/bin/nodejs' >&2
    exit 4
  fi
fi

unset nofile
flags=
if [ "$1" = pam ]; then
  # A login is over before V8's helper threads could be of use. One is the least; with 0 there is one for each processor.
  flags=--v8-pool-size=1
  # Node 20 ends by a signal with some values of it, and it may be the user's.
  unset LANG
fi
[ "$1" != exec ] || nofile=$(ulimit -Sn) # Node raises it, and cannot tell what it was

exec /usr/bin/env -i \
  ${PAM_TYPE+"PAM_TYPE=$PAM_TYPE"} ${PAM_SERVICE+"PAM_SERVICE=$PAM_SERVICE"} ${PAM_USER+"PAM_USER=$PAM_USER"} \
  ${PAM_RUSER+"PAM_RUSER=$PAM_RUSER"} ${PAM_RHOST+"PAM_RHOST=$PAM_RHOST"} ${PAM_TTY+"PAM_TTY=$PAM_TTY"} \
  ${XDG_SESSION_ID+"XDG_SESSION_ID=$XDG_SESSION_ID"} ${XDG_SESSION_CLASS+"XDG_SESSION_CLASS=$XDG_SESSION_CLASS"} \
  ${XDG_SESSION_TYPE+"XDG_SESSION_TYPE=$XDG_SESSION_TYPE"} \
  ${SLURM_JOB_ID+"SLURM_JOB_ID=$SLURM_JOB_ID"} ${SLURM_JOB_USER+"SLURM_JOB_USER=$SLURM_JOB_USER"} \
  ${SLURM_JOB_UID+"SLURM_JOB_UID=$SLURM_JOB_UID"} ${SLURM_CLUSTER_NAME+"SLURM_CLUSTER_NAME=$SLURM_CLUSTER_NAME"} \
  ${SLURM_SCRIPT_CONTEXT+"SLURM_SCRIPT_CONTEXT=$SLURM_SCRIPT_CONTEXT"} ${SLURM_CONF+"SLURM_CONF=$SLURM_CONF"} \
  ${SLURMD_NODENAME+"SLURMD_NODENAME=$SLURMD_NODENAME"} \
  ${TERM+"TERM=$TERM"} ${LANG+"LANG=$LANG"} ${NO_COLOR+"NO_COLOR=$NO_COLOR"} \
  ${nofile+"POLYNS_NOFILE=$nofile"} PATH=/usr/sbin:/usr/bin:/sbin:/bin "$node" $flags "$program" "$@"
}
