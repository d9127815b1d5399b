/* Runs the hooks of one event for a made-up session of alice, or of whom PAM_USER names, and tells what became of them. */
import { mkdirSync, writeFileSync, writeSync } from 'node:fs'
import {
  HOOK_LIMITS,
  type HookEvent,
  type HookLimits,
  hookComplaints,
  runHooks,
} from '../../../src/session/hooks.js'
import type { Request } from '../../../src/session/request.js'

export interface HookCall {
  event?: HookEvent
  limits?: Partial<HookLimits>
  /** Written before the hooks run: the pid of this process. */
  pidFile?: string
  /** Each look at the wall clock finds it a day later: somebody sets it. */
  clockJumps?: boolean
}

const { event = 'open', limits, pidFile, clockJumps = false }: HookCall = JSON.parse(process.argv[2] ?? '{}')
if (pidFile !== undefined) writeFileSync(pidFile, `${process.pid}`)
const { PAM_USER = 'alice', PAM_TYPE } = process.env
const started = performance.now()
let day = 0
if (clockJumps) Date.now = () => ++day * 86_400_000
const outcomes = runHooks(
  event,
  {
    id: 'c7',
    kind: 'built',
    leader: process.ppid,
    mounts: [
      { polydir: '/tmp', instance: '/tmp/inst/alice' },
      { polydir: '/dev/shm', instance: null },
    ],
    request: {
      type: 'open_session',
      service: 'app',
      ruser: null,
      tty: 'pts/0',
      rhost: 'host.example',
      who: {
        user: PAM_USER,
        uid: 5001,
        gid: 5001,
        gids: [5001],
        home: `/home/${PAM_USER}`,
        sessionId: 'c7',
        jobId: null,
      },
    } as unknown as Request,
  },
  { limits: { ...HOOK_LIMITS, ...limits } },
)
const report = JSON.stringify({
  outcomes,
  complaints: hookComplaints(outcomes),
  ms: performance.now() - started,
})
if (PAM_TYPE === undefined) writeSync(1, report)
else {
  mkdirSync('/run/hooks', { recursive: true })
  writeFileSync('/run/hooks/report', report)
}
