# Completion of polyns(8) for bash. Made by tools/completion.mjs from the command tree, not by hand.

_polyns() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= options kind= at
  # --option=value is three words.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ ${COMP_WORDS[at]} == -* ]] || {
      command=${COMP_WORDS[at]}
      break
    }
  done

  case $command in
    '') options='--version -V --trace --help -h pam install uninstall setup exec demo list metrics mount umount epilog reap doctor explain inspect check' ;;
    pam) options='--config --fail-open --global --unmnt-remnt --unmnt-only --skip --gen-hash --require-selinux --use-current-context --use-default-context --ignore-config-error --ignore-instance-parent-mode --mount-private --unmount-on-close --target --timeout --debug --help -h' kind= ;;
    install) options='--pam --pam-auth-update --trial-user --dry-run --help -h' kind= ;;
    uninstall) options='--dry-run --purge --help -h' kind= ;;
    setup) options='--dry-run --undo --share --keep-root --config --timeout --help -h' kind= ;;
    exec) options='--user -u --job -j --config --help -h' kind=command ;;
    demo) options='--help -h' kind= ;;
    list) options='--json --budget --config --help -h' kind= ;;
    metrics) options='--output --budget --config --help -h' kind= ;;
    mount) options='--all --timeout --dry-run --json --help -h' kind=directory ;;
    umount) options='--lazy --all --timeout --dry-run --json --help -h' kind=directory ;;
    epilog) options='--wait --budget --kill --stop-user-manager --dry-run --config --json --help -h' kind= ;;
    reap) options='--idle --budget --dry-run --config --json --help -h' kind= ;;
    doctor) options='--all --strict --config --json --help -h' kind= ;;
    explain) options='--user -u --ruser --service -s --job -j --config --json --timeout --help -h' kind= ;;
    inspect) options='--json --help -h' kind=pid ;;
    check) options='--strict --user --ruser --config --json --help -h' kind=file ;;
    *) return ;;
  esac

  # exec: what stands behind its own options is another program's.
  if [[ $command == exec ]]; then
    for ((at++; at < COMP_CWORD; at++)); do
      case ${COMP_WORDS[at]} in
        -u | --user | -j | --job | --config) ((at++)) ;;
        --) ((at++)) && break ;;
        -* | =) ;;
        *) break ;;
      esac
    done
    if ((at < COMP_CWORD)); then
      if declare -F _command_offset >/dev/null; then _command_offset "$at"; else mapfile -t COMPREPLY < <(compgen -f -- "$word"); fi
      return
    fi
  fi

  case "$command $before" in
    'pam --config' | 'setup --config' | 'exec --config' | 'list --config' | 'metrics --output' | 'metrics --config' | 'epilog --config' | 'reap --config' | 'doctor --config' | 'explain --config' | 'check --config') kind=file ;;
    'pam --skip' | 'install --pam' | 'explain --service' | 'explain -s') kind=service ;;
    'pam --target') kind=pid ;;
    'pam --timeout' | 'setup --timeout' | 'exec --job' | 'exec -j' | 'list --budget' | 'metrics --budget' | 'mount --timeout' | 'umount --timeout' | 'epilog --wait' | 'epilog --budget' | 'reap --idle' | 'reap --budget' | 'explain --job' | 'explain -j' | 'explain --timeout') kind=none ;;
    'install --trial-user' | 'exec --user' | 'exec -u' | 'explain --user' | 'explain -u' | 'explain --ruser' | 'check --user' | 'check --ruser') kind=user ;;
    'setup --share') kind=directory ;;
    *) [[ $word != -* && -n $kind ]] || kind=option ;;
  esac
  case $kind in
    option) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    user) mapfile -t COMPREPLY < <(compgen -u -- "$word") ;;
    command) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
    pid) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$word") ;;
    service) mapfile -t COMPREPLY < <(cd /etc/pam.d && compgen -f -- "$word") ;;
  esac
}
complete -F _polyns polyns
