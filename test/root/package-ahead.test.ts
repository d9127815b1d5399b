/*
 * What an ordinary login runs is compiled when the package is made, tools/sea/ahead-*.txt; what is missing there each login
 * compiles for itself.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { functionsIn } from '../../tools/sea/ahead.mjs'
import { sessionsProgram } from '../../tools/sea.mjs'
import { TMP_AND_SHM } from '../support/install.js'
import { needs } from '../support/needs.js'
import { fetchParts, installExecutable, LIB, SIZE_MB } from '../support/package.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const LOG = '/run/v8.log'
const PROGRAMS = ['open', 'close']

/** A session that is built with a new directory, one that joins it, and when both are over one with the old directory. */
const SESSIONS = `
polyns() {
  env -i PAM_SERVICE=app PAM_USER=alice PAM_TYPE=$1_session ${LIB}/polyns pam || exit 1
  { cat ${LOG} && echo end; } >>/run/$1.log
}
export -f polyns
bash -ec 'polyns open; bash -ec "polyns open; polyns close"; polyns close'
bash -ec 'polyns open; polyns close'
`
const example = readFileSync('config/namespace.conf.example', 'utf8')
const OTHER_METHODS = `/tmp /tmp/polyns-inst/ user:keep=.X11-unix root
/dev/shm tmpfs tmpfs:mntopts=size=10%,nosuid,nodev root,bob
`
const CONFIGS = [TMP_AND_SHM, example, OTHER_METHODS]

t.test('what an ordinary login runs is compiled ahead', { skip, timeout: 240_000 }, async (t) => {
  fetchParts()
  await using box = await Sandbox.start({ sizeMb: SIZE_MB })
  const sessionFlags = ['--log-function-events', '--no-logfile-per-isolate', `--logfile=${LOG}`]
  await installExecutable(box, sessionFlags)
  for (const config of CONFIGS) {
    await box.write('/etc/polyns/namespace.conf', config)
    await box.sh(`${LIB}/polyns setup`)
    await box.sh(['bash', '-ec', SESSIONS])
  }

  for (const program of PROGRAMS) {
    const ran = (await box.sh(`cat /run/${program}.log`)).split('\nend\n').slice(0, -1)
    t.equal(ran.length, 3 * CONFIGS.length)
    const late = await compiledLate(program, ran)
    t.same(late, [], `compiled at each login: add to tools/sea/ahead-${program}.txt`)
  }
})

/** @param logs V8's, of a run each @returns the functions that were compiled when they were called, sorted */
async function compiledLate(program: string, logs: readonly string[]): Promise<string[]> {
  const functions = functionsIn(await sessionsProgram(program))
  const names = new Map(functions.map(({ name, start, end }) => [`${start},${end}`, name]))
  const late = new Set<string>()
  for (const log of logs) {
    const [, script] = new RegExp(`^function,deserialize,(\\d+),.*,${program}\\.cjs$`, 'm').exec(log) ?? []
    t.ok(script !== undefined, 'the code is taken')
    const compiled = log.matchAll(
      new RegExp(`^function,(?:full-parse|interpreter),${script},(\\d+),(\\d+),`, 'gm'),
    )
    for (const [, start, end] of compiled) {
      // A class without a constructor has one of no length, which nobody can stop in.
      if (start !== end) late.add(names.get(`${start},${end}`) ?? `${start} to ${end}`)
    }
  }
  return [...late].sort()
}
