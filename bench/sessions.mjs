// Many sessions at once, each of another user and so with a namespace of its own. The processes, the namespaces and the records
// are real, made by polyns' own code; only that one helper opens them all, since starting one for each takes minutes.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const OPENER = `
  import { readFileSync } from 'node:fs'
  import { configForSession } from './src/config/index.js'
  import { adopt } from './src/ns/adopt.js'
  import { openTarget } from './src/ns/target.js'
  import { openSession } from './src/session/open.js'
  import { readRequest, systemNames } from './src/session/request.js'
  const { config } = configForSession({ names: systemNames })
  for (const { pid, user } of JSON.parse(readFileSync(0, 'utf8'))) {
    using target = openTarget(pid)
    const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'bench', PAM_USER: user }
    const { kind } = openSession(readRequest(env, target), target, config, { view: 'own', commit: adopt })
    if (kind !== 'built') throw new Error('the session of ' + user + ' was ' + kind)
  }`

/** TypeScript that imports from ./src, as a program. */
export async function bundle(contents, path, checkout = '/opt/polyns') {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: checkout },
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    // Where koffi, and the thread that helps to remove, are looked for.
    define: { 'import.meta.url': JSON.stringify(`${checkout}/dist/bench.cjs`) },
  })
  writeFileSync(path, outputFiles[0].text)
  return path
}

/** Processes that wait, as those of sessions mostly do. They end with this process, or by `end`. */
export class Sleepers {
  pids = []
  #parents = []

  /** @param uid whose they are */
  async add(count, uid = 0) {
    const fork = `for (1 .. ${count}) { my $p = fork; if (!$p) { $( = $) = $< = $> = ${uid} if ${uid}; sleep 1e6; exit } print "$p\\n" }`
    const perl = spawn('perl', ['-e', `$| = 1; ${fork} print "ready\\n"; sleep 1e6`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#parents.push(perl)
    let text = ''
    for await (const data of perl.stdout) {
      text += data
      if (text.endsWith('ready\n')) break
    }
    const pids = text.split('\n').filter(Number).map(Number)
    this.pids.push(...pids)
    return pids
  }

  async end() {
    for (const pid of this.pids) process.kill(pid, 'SIGKILL')
    for (const perl of this.#parents) {
      perl.kill('SIGKILL')
      await once(perl, 'exit')
    }
  }
}

/** Opens a session of each user for the process beside him. */
export async function openSessions(users, pids) {
  const opener = await bundle(OPENER, '/run/bench-opener.cjs')
  const input = JSON.stringify(users.map((user, i) => ({ user, pid: pids[i] })))
  const { status, stderr } = spawnSync(process.execPath, [opener], { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the sessions were not opened: ${stderr}`)
}
