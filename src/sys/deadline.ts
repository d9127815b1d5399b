/*
 * A deadline for this process. A call that hangs (a network file system without its server, a name service) hangs the whole
 * of our one thread, which then can neither say so nor end. So two timers of libc do it, each in a thread that starts when
 * it is due, timer_create(2) with SIGEV_THREAD: the first runs a shell that logs, and a second later the other calls _exit.
 * Made of functions that libc has, since a callback into JavaScript would wait for the thread that hangs. 0.4 ms.
 *
 * exit_group ends what waits in the kernel, but for a FUSE server that has taken a request and does not answer: Linux lets
 * such a process go only when it does. There, where asked to, the shell ends the application, which would wait for us.
 */
import { cstr, noteCalls, syscallError } from './call.js'
import { ERRNO } from './errno.js'
import { koffi, libc } from './koffi.js'
import type { Priority } from './syslog.js'

export interface Deadline extends Disposable {
  /** What is done now, for the log. */
  step(what: string): void
}

export interface DeadlineOptions {
  seconds: number
  /** The exit status then. */
  status: number
  priority: Priority
  /** What to log; what was being done is added. */
  text: string
  /** Whether to kill our parent where this process cannot end, so that nobody waits for ever. */
  endParent: boolean
}

const CLOCK_MONOTONIC = 1
const SIGEV_THREAD = 2
const PRIORITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']
/** Between the two timers: for the shell to log. */
const GRACE_S = 1

// The texts come by the environment, for nothing in them is to be read as shell: a path may be of a user's making. It is
// the one of this process, which its other children do not get. Whether we are still there, and our pid still ours, says PPid.
const SCRIPT = `exec </dev/null >/dev/null 2>&1
cd /
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() {
  printf '%s' "$2" | tr '\\000-\\037\\177' '?' | logger -p "authpriv.$1" -t "polyns[$polyns_pid]" &
}
is_there() {
  while read -r key value; do
    [ "$key$value" != "PPid:$polyns_parent" ] || return 0
  done <"/proc/$polyns_pid/status"
  return 1
}
say "$polyns_priority" "$polyns_text: $polyns_step"
for second in 1 2 3 4 5; do
  sleep 1
  is_there || exit 0
done
what='so the application waits until that answers'
[ -z "$polyns_end" ] || what='so the application is'
say alert "process $polyns_pid cannot be ended, a file system holds it: $polyns_step; $what, process $polyns_parent"
[ -z "$polyns_end" ] || kill -KILL "$polyns_parent"`

const NAME = 'polyns_step='
const STEP_BYTES = 512
const step = Buffer.alloc(NAME.length + STEP_BYTES)
step.write(NAME)
/** What libc keeps pointers to, for as long as this process lives. */
const kept: Buffer[] = [step]

/**
 * Begins one, until it is disposed of; one at a time.
 * @throws {SyscallError} EAGAIN: no more timers
 */
export function startDeadline({ seconds, status, priority, text, endParent }: DeadlineOptions): Deadline {
  setEnvironment({
    polyns_pid: `${process.pid}`,
    polyns_priority: PRIORITIES[priority] ?? 'err',
    polyns_text: text,
    polyns_parent: `${process.ppid}`,
    polyns_end: endParent ? 'yes' : '',
  })
  putenv(step)
  const say = new Timer('system', addressOf(keep(cstr(SCRIPT, 'system'))))
  const end = new Timer('_exit', BigInt(status))
  say.set(seconds)
  end.set(seconds + GRACE_S)
  let doing = ''
  const tell = (what: string) => {
    const length = step.write(what, NAME.length, STEP_BYTES - 1)
    step[NAME.length + length] = 0
  }
  noteCalls((call, on) => tell(`${doing}, ${call} '${on}'`))
  return {
    step: (what) => {
      doing = what
      tell(what)
    },
    [Symbol.dispose]: () => {
      noteCalls(undefined)
      say.delete()
      end.delete()
    },
  }
}

/** A timer that calls the function of libc with this name and one argument. */
class Timer {
  readonly #id: bigint

  constructor(name: string, argument: bigint) {
    const event = Buffer.alloc(64) // struct sigevent: sigev_value, sigev_signo, sigev_notify, function
    event.writeBigUInt64LE(argument, 0)
    event.writeInt32LE(SIGEV_THREAD, 12)
    event.writeBigUInt64LE(symbol(name), 16)
    const id = Buffer.alloc(8)
    if (calls().create(CLOCK_MONOTONIC, event, id) !== 0) {
      const show = () => `CLOCK_MONOTONIC, {SIGEV_THREAD, ${name}}`
      throw syscallError(koffi.errno() || ERRNO.EAGAIN, { syscall: 'timer_create', show })
    }
    this.#id = id.readBigUInt64LE(0)
  }

  set(seconds: number): void {
    const when = Buffer.alloc(32) // struct itimerspec: it_interval, it_value
    when.writeBigInt64LE(BigInt(seconds), 16)
    calls().settime(this.#id, 0, when, null)
  }

  delete(): void {
    calls().delete(this.#id)
  }
}

interface Calls {
  create(clock: number, event: Buffer, id: Buffer): number
  settime(id: bigint, flags: number, when: Buffer, old: null): number
  delete(id: bigint): number
}
let bound: Calls | undefined

function calls(): Calls {
  bound ??= {
    create: inLibrt('timer_create', ['int', 'void *', 'void *']) as Calls['create'],
    settime: inLibrt('timer_settime', ['void *', 'int', 'void *', 'void *']) as Calls['settime'],
    delete: inLibrt('timer_delete', ['void *']) as Calls['delete'],
  }
  return bound
}

const LIBRT = 'librt.so.1'

/** Before glibc 2.34 these are in a library of their own. */
function inLibrt(name: string, parameters: string[]): unknown {
  try {
    return libc.func(name, 'int', parameters)
  } catch {
    return koffi.load(LIBRT).func(name, 'int', parameters)
  }
}

function symbol(name: string): bigint {
  const dlsym = libc.func('dlsym', 'void *', ['void *', 'str'])
  return koffi.address(dlsym(null, name))
}

function setEnvironment(values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) putenv(keep(cstr(`${name}=${value}`, 'putenv')))
}

/** putenv(3): the buffer itself becomes part of the environment, so what is written to it later is seen. */
function putenv(pair: Buffer): void {
  libc.func('putenv', 'int', ['void *'])(pair)
}

function keep(buffer: Buffer): Buffer {
  kept.push(buffer)
  return buffer
}

function addressOf(buffer: Buffer): bigint {
  return koffi.address(buffer)
}
