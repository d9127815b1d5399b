/*
 * Carries files as a session does: takes hold of the directories, covers the polydir in a namespace of its own, places. With
 * `repeat` it does so again and again, and gives back what it got, for a test that races with it.
 */
import { existsSync, lstatSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  CARRY_LIMITS,
  type CarryLimits,
  placeCarried,
  takeCarried,
  takeCarriedForJoin,
} from '../../../src/ns/carry.js'
import { openSafe } from '../../../src/ns/safepath.js'
import { SyscallError } from '../../../src/sys/errors.js'
import { CLONE, MS, RENAME } from '../../../src/sys/flags.js'
import {
  fsconfigCreate,
  fsmount,
  fsopen,
  moveMount,
  openTreeClone,
  setPropagation,
} from '../../../src/sys/mount.js'
import { unshare } from '../../../src/sys/namespace.js'
import { renameat2 } from '../../../src/sys/path.js'
import { statx } from '../../../src/sys/stat.js'

export interface CarryCall {
  polydir: string
  /** null: a tmpfs. */
  instance: string | null
  patterns?: string[]
  uid?: number
  limits?: Partial<CarryLimits>
  /** As a session that joins: in the base, nothing is covered. */
  join?: boolean
  /** Milliseconds. */
  repeat?: number
}

export interface CarryReport {
  moved: string[]
  notes: string[]
  ms: number
  /** What is seen at the polydir then: `krb5cc_1 5001 600 12` (owner, mode, size). */
  seen: string[]
  rounds: number
}

const argument: CarryCall = JSON.parse(process.argv[2] ?? '{}')
const { polydir, instance, patterns = ['krb5cc_*'], uid = 5001, join: isJoin = false, repeat = 0 } = argument
const limits = { ...CARRY_LIMITS, ...argument.limits }
const report: CarryReport = { moved: [], notes: [], ms: 0, seen: [], rounds: 0 }

if (repeat > 0) race()
else once()
writeSync(1, JSON.stringify(report))

function once(): void {
  if (!isJoin) {
    unshare(CLONE.CLONE_NEWNS)
    setPropagation('/', MS.MS_REC | MS.MS_PRIVATE)
  }
  const started = process.hrtime.bigint()
  for (const carried of isJoin ? forJoin() : [forBuild()]) {
    using held = carried
    report.moved.push(...placeCarried(held, uid, report.notes, limits))
  }
  report.ms = Number(process.hrtime.bigint() - started) / 1e6
  const dir = isJoin ? (instance ?? '') : polydir
  report.seen = (existsSync(dir) ? readdirSync(dir) : []).map((name) => {
    const { uid, mode, size } = lstatSync(join(dir, name))
    return `${name} ${uid} ${(mode & 0o7777).toString(8)} ${size}`
  })
}

function forJoin() {
  const steps = [{ polydir, carry: patterns }]
  return takeCarriedForJoin(steps, [{ polydir, instance }], report.notes)
}

function forBuild() {
  using real = openSafe(polydir)
  if (instance === null) {
    using context = fsopen('tmpfs')
    fsconfigCreate(context)
    using mount = fsmount(context, 0)
    const carried = takeCarried(real, null, polydir, patterns)
    moveMount(mount, real)
    return carried
  }
  using own = openSafe(instance)
  using clone = openTreeClone(own)
  const carried = takeCarried(real, own, polydir, patterns)
  moveMount(clone, real)
  return carried
}

function race(): void {
  using real = openSafe(polydir)
  using own = openSafe(instance ?? '')
  for (const until = Date.now() + repeat; Date.now() < until; report.rounds++) {
    using carried = takeCarried(real, own, polydir, patterns)
    for (const name of placeCarried(carried, uid, report.notes, limits)) {
      const { type, uid: owner, nlink } = statx(own, name)
      report.moved.push(`${type} ${owner} ${nlink}`)
      giveBack(name)
    }
  }
  report.notes = [...new Set(report.notes)]
  report.moved = [...new Set(report.moved)]

  function giveBack(name: string): void {
    for (let i = -1; ; i++) {
      try {
        renameat2(own, name, real, i < 0 ? name : `decoy${i}`, RENAME.RENAME_NOREPLACE)
        return
      } catch (error) {
        if (!(error instanceof SyscallError) || error.code !== 'EEXIST') throw error
      }
    }
  }
}
