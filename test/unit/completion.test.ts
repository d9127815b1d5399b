/* Shell completion: what is committed is what the command tree gives, and bash completes by it. zsh: test/root/units-zsh.test.ts */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { completions } from '../../tools/completion.mjs'

const top = fileURLToPath(new URL('../..', import.meta.url))

t.test('the files are what the command tree gives', async (t) => {
  for (const [path, text] of await completions()) {
    const isSame = readFileSync(`${top}${path}`, 'utf8') === text
    t.ok(isSame, `${path}: if it is stale, run node tools/completion.mjs`)
  }
})

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const script = `source config/completion/polyns.bash
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _polyns; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', script, 'bash', ...words], {
    cwd: top,
    encoding: 'utf8',
  })
  if (status !== 0 || stderr !== '') throw new Error(`bash: status ${status}: ${stderr}`)
  return [...new Set(stdout.split('\n').filter((word) => word !== ''))]
}

t.test('bash', (t) => {
  t.same(offered('polyns', 'in'), ['install', 'inspect'], 'commands')
  t.ok(offered('polyns', '').includes('doctor'))
  t.same(offered('polyns', '--tr'), ['--trace'], 'options before the command')
  t.same(offered('polyns', '--trace', 'mou'), ['mount'], 'commands after them')
  t.same(offered('polyns', 'setup', '--u'), ['--undo'], 'options of the command')
  t.ok(offered('polyns', 'reap', '').includes('--idle'), 'options, where no argument can be')
  t.same(offered('polyns', 'explain', '--user', 'roo'), ['root'], 'users')
  t.same(offered('polyns', 'exec', '-u', 'roo'), ['root'])
  t.same(
    offered('polyns', 'explain', '--user', '=', 'roo'),
    ['root'],
    'after an equals sign, where bash makes three words of it',
  )
  t.ok(offered('polyns', 'explain', '--user', '=').includes('root'))
  t.same(offered('polyns', 'inspect', `${process.pid}`), [`${process.pid}`], 'processes')
  t.same(offered('polyns', 'check', 'config/namesp'), ['config/namespace.conf.example'], 'files')
  t.same(offered('polyns', 'doctor', '--config', 'biome.j'), ['biome.json'])
  t.same(offered('polyns', 'mount', 'conf'), ['config'], 'directories')
  t.same(offered('polyns', 'setup', '--share', 'biom'), [], 'and no files there')
  t.same(offered('polyns', 'reap', '--idle', ''), [], 'a time: nothing')
  t.same(offered('polyns', 'exec', '-u', 'root', 'printen'), ['printenv'], 'commands to be run')
  t.same(
    offered('polyns', 'exec', '--user', 'root', '--', 'cat', 'biome.j'),
    ['biome.json'],
    'and their arguments',
  )
  t.same(offered('polyns', 'no-such', ''), [])
  t.end()
})
