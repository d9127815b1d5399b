// The throw-away machine that a bench runs in: the tests' own, see test/support/sandbox.sh, with the packages of packages.txt.
// It ends with this process.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export const checkout = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const SUPPORT = `${checkout}/test/support`
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const NAMESPACES = '--mount --pid --net --uts --ipc --fork --kill-child=KILL --propagation private'
const SIZE_MB = 2000

/** @returns the archive with the packages; the first time it is made, which takes a minute and the network */
export function findLayer() {
  const env = { ...process.env, POLYNS_LAYER_PACKAGES: `${checkout}/bench/packages.txt` }
  const { status, stdout } = spawnSync(`${SUPPORT}/layer.sh`, ['ensure'], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error('there is no package layer')
  return stdout.trim()
}

/** Runs a part in a machine of its own. @returns its results */
export async function runInside(layer, script, settings) {
  const what = [`${SUPPORT}/sandbox.sh`, 'bench', `${SIZE_MB}`, checkout, process.execPath]
  const env = { PATH, LANG: 'C.UTF-8', POLYNS_TEST_LAYER_TAR: layer }
  const argv = [...NAMESPACES.split(' '), '--', ...what]
  const box = spawn('unshare', argv, { cwd: '/', env, stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  const ended = once(box, 'exit')
  try {
    const ready = once(box.stdio[3], 'data').then(([data]) => `${data}`)
    const line = await Promise.race([ready, ended.then(() => '')])
    const [, pid] = /^ready (\d+) /.exec(line) ?? []
    if (pid === undefined) throw new Error('the sandbox did not start')
    return await runIn(pid, script, settings)
  } finally {
    box.stdio[3].destroy()
    await ended
  }
}

/** Runs a part on this machine, as pid 1 of a pid namespace and in a mount namespace of its own, which end with it. */
export function runEnclosed(script, settings) {
  const namespaces = '--mount --pid --fork --kill-child=KILL --mount-proc --propagation private --'.split(' ')
  const argv = ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, process.execPath]
  return collect('setpriv', [...argv, `${checkout}/bench/parts/${script}.mjs`], settings)
}

function runIn(pid, script, settings) {
  const enter = ['-t', pid, '-m', '-p', '-n', '-u', '-i', '--']
  return collect('nsenter', [...enter, 'node', `/opt/polyns/bench/parts/${script}.mjs`], settings)
}

/** What a part prints, which is JSON. */
async function collect(program, argv, settings) {
  const env = { PATH, HOME: '/root', LANG: 'C.UTF-8', BENCH: JSON.stringify(settings) }
  const child = spawn(program, argv, { cwd: '/', env, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`'${program} ${argv.join(' ')}' gave status ${status}`)
  return JSON.parse(out)
}
