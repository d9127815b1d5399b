/*
 * polyns demo: the main job, shown on a throw-away machine. It runs in three parts: the one that people start looks for a way
 * into namespaces of its own and runs this program there through unshare(1), since a threaded process cannot enter a user
 * namespace; the one inside, which is pid 1 there, plays the scenes; and one in each login becomes that login's user.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { UsageError } from '../sys/errors.js'
import { requireKernel } from '../sys/probe.js'
import { thisProgram } from '../sys/program.js'
import { CLEAN_ENVIRONMENT, findWayIn } from './demo/enclose.js'
import { becomeUser } from './demo/login.js'
import { type Look, usesUtf8 } from './demo/picture.js'
import { play } from './demo/scenes.js'
import { makeWorld } from './demo/world.js'
import { EXIT } from './report.js'

const TIME_LIMIT_MS = 30_000
const INTERRUPTED = 130 // as a shell says it of SIGINT

/** All of them are for the demo's own parts; people give none. */
export interface DemoOptions {
  /** This is the part inside; the value is the mount namespace of the part outside. */
  inside?: string
  /** Why one uid must do for two users. */
  oneUid?: string
  /** This is the part in a login; the value is its user. */
  session?: string
  /** Mount a tmpfs there first, as a set-uid program like fusermount does for its caller. */
  mount?: string
}

interface Io {
  out(text: string): void
  color: boolean
}

/** @returns the exit status: 1 where something was not as it should be */
export async function demo(options: DemoOptions, io: Io): Promise<number> {
  if (options.session !== undefined) {
    assertPartOfDemo()
    return becomeUser(options.session, options.mount)
  }
  return options.inside === undefined ? outside() : inside(options.inside, options.oneUid, io)
}

async function outside(): Promise<number> {
  requireKernel()
  const way = findWayIn()
  const why = way.oneUid === null ? [] : ['--one-uid', way.oneUid]
  const argv = [...way.flags, '--', ...thisProgram(), 'demo', '--inside', ownNamespace(), ...why]
  const { NO_COLOR } = process.env
  const child = spawn(way.unshare, argv, {
    cwd: '/',
    env: {
      PATH: CLEAN_ENVIRONMENT.PATH,
      LANG: usesUtf8(process.env) ? 'C.UTF-8' : 'C',
      ...(NO_COLOR === undefined ? {} : { NO_COLOR }),
    },
    // The pipe tells the part inside when this process has ended, however that comes about.
    stdio: ['pipe', 'inherit', 'inherit'],
    timeout: TIME_LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  if (status !== null) return status
  throw new Error(
    child.killed ? `the demo took longer than ${TIME_LIMIT_MS / 1000} s` : `the demo was ended by ${signal}`,
  )
}

async function inside(outer: string, oneUid: string | undefined, io: Io): Promise<number> {
  // Everything below mounts over the directories of the machine: never in a namespace that somebody else lives in.
  if (process.pid !== 1 || ownNamespace() === outer) {
    throw new UsageError("--inside is for the demo's own use; type 'polyns demo'")
  }
  process.stdout.on('error', () => process.exit(EXIT.failed)) // nobody reads it any more
  process.stdin.on('end', () => process.exit(EXIT.failed)).resume()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(INTERRUPTED)) // pid 1 has no default actions
  }
  try {
    using world = await makeWorld(thisProgram())
    const look: Look = { utf8: usesUtf8(process.env), color: io.color }
    return (await play(world, { why: oneUid ?? null, look, out: io.out })) ? EXIT.ok : EXIT.failed
  } finally {
    process.stdin.destroy()
  }
}

/** The command typed by hand must not mount anything on the real machine. */
function assertPartOfDemo(): void {
  if (readFileSync('/proc/1/cmdline', 'utf8').split('\0').includes('--inside')) return
  throw new UsageError("--session is for the demo's own use; type 'polyns demo'")
}

function ownNamespace(): string {
  return readlinkSync('/proc/self/ns/mnt')
}
