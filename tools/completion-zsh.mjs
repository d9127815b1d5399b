// config/completion/_polyns, in terms of zsh's own _arguments.

const PAM_SERVICES = '_path_files -W /etc/pam.d'
const KINDS = {
  FILE: '_files',
  DIR: '_files -/',
  USER: '_users',
  PID: '_pids',
  SERVICE: PAM_SERVICES,
  SERVICES: `_sequence ${PAM_SERVICES}`,
}
const ARGUMENTS = {
  files: '*:file:_files',
  path: '1:directory:_files -/',
  pid: '1:process:_pids',
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`
const inBrackets = (text) => text.replace(/[[\]\\:]/g, '\\$&')

function optionSpecs(options) {
  return options.map(({ long, short, value, help, isRepeated }) => {
    const text = `[${inBrackets(help)}]${value === undefined ? '' : `:${value}:${KINDS[value] ?? ' '}`}`
    const names = [short ?? [], long].flat()
    const takes = (name) => (value === undefined ? '' : name.startsWith('--') ? '=' : '+')
    if (isRepeated) return quote(`*${long}${takes(long)}${text}`)
    if (short === undefined) return quote(`${long}${takes(long)}${text}`)
    return `${quote(`(${names.join(' ')})`)}{${names.map((name) => name + takes(name)).join(',')}}${quote(text)}`
  })
}

function argumentSpecs({ name, arguments: [first] }) {
  if (name === 'exec') return [quote('(-)1:command: _command_names -e'), quote('*::argument:_normal')]
  const spec = ARGUMENTS[first?.name]
  return spec === undefined ? [] : [quote(spec)]
}

export function zsh({ options, commands }) {
  const lines = (specs, indent) => specs.join(` \\\n${indent}`)
  const cases = commands.map((command) => {
    const specs = [...optionSpecs(command.options), ...argumentSpecs(command)]
    return `        ${command.name})\n          _arguments -S -s \\\n            ${lines(specs, '            ')}\n          ;;`
  })
  const described = commands.map(
    ({ name, help }) => `        ${quote(`${name}:${help.replaceAll(':', '\\:')}`)}`,
  )
  return `#compdef polyns
# Completion of polyns(8) for zsh. Made by tools/completion.mjs from the command tree, not by hand.

_polyns() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
    ${lines(optionSpecs(options), '    ')} \\
    '1:command:->command' \\
    '*::argument:->argument'

  case $state in
    command)
      local -a commands=(
${described.join('\n')}
      )
      _describe command commands
      ;;
    argument)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}

_polyns "$@"
`
}
