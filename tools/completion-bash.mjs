// config/completion/polyns.bash. It needs nothing but bash; with bash-completion the words after `exec` are completed as theirs.

const KINDS = {
  FILE: 'file',
  DIR: 'directory',
  USER: 'user',
  PID: 'pid',
  SERVICE: 'service',
  SERVICES: 'service',
}
const ARGUMENTS = { files: 'file', path: 'directory', pid: 'pid', command: 'command' }

export function bash({ options, commands }) {
  const words = (all) => all.flatMap(({ long, short }) => [long, short ?? []].flat()).join(' ')
  const cases = commands.map(
    ({ name, options, arguments: [first] }) =>
      `    ${name}) options='${words(options)}' kind=${ARGUMENTS[first?.name] ?? ''} ;;`,
  )
  const values = new Map()
  for (const { name, options } of commands) {
    for (const { long, short, value } of options.filter(({ value }) => value !== undefined)) {
      const kind = KINDS[value] ?? 'none'
      const keys = [long, short ?? []].flat().map((option) => `'${name} ${option}'`)
      values.set(kind, [...(values.get(kind) ?? []), ...keys])
    }
  }
  const valued = [...values].map(([kind, keys]) => `    ${keys.join(' | ')}) kind=${kind} ;;`)
  return `# Completion of polyns(8) for bash. Made by tools/completion.mjs from the command tree, not by hand.

_polyns() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= options kind= at
  # --option=value is three words.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ \${COMP_WORDS[at]} == -* ]] || {
      command=\${COMP_WORDS[at]}
      break
    }
  done

  case $command in
    '') options='${words(options)} ${commands.map(({ name }) => name).join(' ')}' ;;
${cases.join('\n')}
    *) return ;;
  esac

  # exec: what stands behind its own options is another program's.
  if [[ $command == exec ]]; then
    for ((at++; at < COMP_CWORD; at++)); do
      case \${COMP_WORDS[at]} in
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
${valued.join('\n')}
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
`
}
