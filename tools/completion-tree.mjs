// The program's own commands and options, as plain data: what is shown in --help, with the placeholder of each value.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export async function readTree() {
  const { commands } = await load('../src/cli/program.ts')
  const program = commands({ out() {}, err() {}, color: false })
  const shown = program.commands.filter(({ _hidden }) => !_hidden)
  return {
    options: optionsOf(program),
    commands: shown.map((command) => ({
      name: command.name(),
      help: command.description(),
      arguments: command.registeredArguments.map((one) => ({ name: one.name(), isMany: one.variadic })),
      options: optionsOf(command),
    })),
  }
}

const optionsOf = (command) =>
  command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, flags, description }) => ({
      long,
      ...(short && { short }),
      ...(/<(.*)>/.test(flags) && { value: /<(.*)>/.exec(flags)[1] }),
      help: description,
      isRepeated: description.includes('may be given again'), // commander cannot tell
    }))

/** As a module of its own, without a file. */
async function load(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(path, import.meta.url))],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    packages: 'external',
    define: {
      POLYNS_VERSION: '"0"',
      'import.meta.url': JSON.stringify(new URL('../dist/x.cjs', import.meta.url).href),
    },
    logLevel: 'warning',
  })
  const module = { exports: {} }
  new Function('require', 'module', 'exports', outputFiles[0].text)(
    createRequire(import.meta.url),
    module,
    module.exports,
  )
  return module.exports
}
