/*
 * One login of the demo: a shell plays the part of sshd. It opens the session, runs the user's shell, and closes the session
 * when that has ended. `polyns pam` finds the shell waiting, as it finds sshd behind pam_exec, and adopts it.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnsafePathError, UnsupportedError } from '../../sys/errors.js'
import { keepOnExec } from '../../sys/fd.js'
import { getpwnam } from '../../sys/names.js'
import { execve, setgroups, setresgid, setresuid } from '../../sys/process.js'
import { EXIT } from '../report.js'
import { CLEAN_ENVIRONMENT } from './enclose.js'
import { mountTmpfs, type World } from './world.js'

const LOGIN_SHELL = '/bin/sh'

// The exit at the end keeps sh from becoming its last command, which would then have another parent.
const WITH_POLYNS = `"$@" pam || exit
"$@" demo --session "$PAM_USER" $MOUNT
PAM_TYPE=close_session "$@" pam
exit`
// su, from within the user's session: its stack has `polyns pam --global`. The session belongs to root then.
const THEN_SU = `"$@" pam || exit
export PAM_SERVICE=su PAM_RUSER="$PAM_USER" PAM_USER=root
"$@" pam --global || exit
"$@" demo --session root
PAM_TYPE=close_session "$@" pam --global
PAM_TYPE=close_session PAM_SERVICE=demo PAM_USER="$PAM_RUSER" "$@" pam
exit`
const WITHOUT_POLYNS = 'exec "$@" demo --session "$PAM_USER"'

export interface LoginOptions {
  user: string
  polyns: boolean
  /** Where the user mounts something as the session begins. */
  mount?: string
  /** The user calls su as soon as the session is open, and is root from then on. */
  su?: boolean
}

export interface Answer {
  status: number
  /** stdout and stderr, without the last line feed. */
  text: string
}

export class Login {
  #output = ''
  #asked = 0
  #ended = false

  private constructor(
    readonly user: string,
    private readonly world: World,
    private readonly child: ChildProcessWithoutNullStreams,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        child.emit('output')
      })
    }
    child.stdin.on('error', () => {}) // it has ended: 'close' tells
    child.once('close', () => {
      this.#ended = true
      child.emit('output')
    })
  }

  /** @throws {UnsupportedError} 'polyns pam' refused the session for want of rights @throws {Error} for any other reason */
  static async open(world: World, { user, polyns, mount, su = false }: LoginOptions): Promise<Login> {
    const withPolyns = su ? THEN_SU : WITH_POLYNS
    const child = spawn('/bin/sh', ['-c', polyns ? withPolyns : WITHOUT_POLYNS, 'sh', ...world.program], {
      cwd: '/',
      env: {
        ...CLEAN_ENVIRONMENT,
        MOUNT: mount === undefined ? '' : `--mount ${mount}`,
        PAM_TYPE: 'open_session',
        PAM_SERVICE: 'demo',
        PAM_USER: user,
      },
    })
    const login = new Login(user, world, child)
    const { text } = await login.run('echo ready')
    if (text !== 'ready') throw new Error(`the login of ${user} said, before anything else: ${text}`)
    return login
  }

  /** Has the user's shell run a command. */
  async run(command: string): Promise<Answer> {
    const end = `end-of-${++this.#asked}`
    this.#output = ''
    this.child.stdin.write(`{ ${command}\n} </dev/null 2>&1; echo "${end} $?"\n`)
    for (;;) {
      const match = new RegExp(`^([^]*?)\\n?${end} (\\d+)\\n`).exec(this.#output)
      if (match !== null) return { text: match[1] ?? '', status: Number(match[2]) }
      if (this.#ended) throw await this.#refusal()
      await once(this.child, 'output')
    }
  }

  /** The names in a directory, as ls(1) lists them: sorted, and a directory with a slash. */
  async list(directory: string): Promise<string[]> {
    const { text } = await this.run(`ls -Ap ${directory}`)
    return text.split('\n').filter((name) => name !== '')
  }

  /** The mount namespace that it is in, as the kernel calls it. */
  get namespace(): string {
    return readlinkSync(`/proc/${this.child.pid}/ns/mnt`)
  }

  /** Logs out. @throws {Error} when closing the session failed */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#output = ''
    this.child.stdin.end()
    while (!this.#ended) await once(this.child, 'output')
    if (this.child.exitCode !== 0) throw await this.#refusal()
  }

  /** Whatever it is doing. Its processes end with the demo's machine. */
  abandon(): void {
    this.child.kill('SIGKILL')
    for (const stream of this.child.stdio) stream?.destroy()
    this.child.unref()
  }

  async #refusal(): Promise<Error> {
    await sleep(100) // for what it has sent to the log
    const { exitCode, signalCode } = this.child
    const said = [this.#output.trim(), ...this.world.log.slice(-1)].filter((text) => text !== '')
    const what = `the login of ${this.user}`
    const why = `ended by ${signalCode ?? `itself, status ${exitCode}`}`
    const cause = new UnsupportedError(what, said.join('; ') || 'it gave no reason')
    return exitCode === EXIT.unsupported
      ? cause
      : new Error(`${what} ${why}: ${said.join('; ') || 'it gave no reason'}`)
  }
}

/**
 * Becomes a user of the demo's machine, and that user's shell, which reads its commands from stdin. Does not return.
 * @param mount where a file system is mounted before, as fusermount would do it for the user
 */
export function becomeUser(name: string, mount: string | undefined): never {
  const user = getpwnam(name)
  if (user === null) throw new UnsafePathError(`user '${name}'`, 'is not one of the demo')
  if (mount !== undefined) {
    mkdirSync(mount, { recursive: true })
    mountTmpfs(mount, '755')
    writeFileSync(`${mount}/photo.jpg`, '')
  }
  if (user.uid !== 0) {
    setgroups([user.gid])
    setresgid(user.gid)
    setresuid(user.uid)
  }
  for (const fd of [0, 1, 2]) keepOnExec(fd) // Node closes them on exec
  const env = [...Object.entries(CLEAN_ENVIRONMENT), ['HOME', '/'], ['USER', name]]
  return execve(
    LOGIN_SHELL,
    ['sh'],
    env.map(([key, value]) => `${key}=${value}`),
  )
}
