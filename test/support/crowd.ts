/*
 * Many sessions at once in a sandbox: the users for them, PAM applications that open and hold them (entry/crowd.ts), and what
 * must be left when they are over: nothing.
 */
import type { CrowdCall, Ended, Opened } from '../root/entry/crowd.js'
import { install } from './inside.js'
import type { Running } from './run.js'
import type { Sandbox } from './sandbox.js'

/** Makes users PREFIX0, PREFIX1... from `uid` on, without homes; the key of root lets them in by ssh. @returns their names */
export async function addUsers(box: Sandbox, prefix: string, count: number, uid: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `${prefix}${i}`)
  const lines = names.map((name, i) => `${name}:x:${uid + i}:${uid + i}::/:/bin/sh\n`).join('')
  const shadow = names.map((name) => `${name}:*:19000:0:99999:7:::\n`).join('')
  const groups = names.map((name, i) => `${name}:x:${uid + i}:\n`).join('')
  for (const [file, text] of [
    ['passwd', lines],
    ['shadow', shadow],
    ['group', groups],
  ] as const) {
    await box.sh(`cat >>/etc/${file}`, { input: text })
  }
  return names
}

export class Crowd {
  #seen = 0

  private constructor(private readonly running: Running) {}

  static async start(box: Sandbox, call: CrowdCall): Promise<Crowd> {
    const program = await install(box, 'crowd')
    return new Crowd(box.spawn([program, JSON.stringify(call)], { input: 'pipe' }))
  }

  /** The next thing that it says. */
  async heard<T>(timeoutMs: number): Promise<T> {
    const [, line = ''] = await this.running.waitFor(
      new RegExp(`^(?:.*\\n){${this.#seen}}([[{].*)\\n`),
      timeoutMs,
    )
    this.#seen++
    return JSON.parse(line) as T
  }

  /** Once every session was opened or refused. */
  opened(timeoutMs = 300_000): Promise<Opened[]> {
    return this.heard(timeoutMs)
  }

  say(line: string): void {
    this.running.child.stdin?.write(`${line}\n`)
  }

  /** Ends all of them, by closing their sessions or without that, and waits for it. */
  async end(how: 'close' | 'end', timeoutMs = 300_000): Promise<Ended[]> {
    this.say(how)
    const ended = await this.heard<Ended[]>(timeoutMs)
    this.running.child.stdin?.end()
    await this.running.exited
    return ended
  }
}

/** What the sessions have left: records, locks that somebody holds, and what lies in the given directories. */
export async function remains(box: Sandbox, directories: readonly string[] = []): Promise<string[]> {
  const script = `
    for f in /run/polyns/sessions/* /run/polyns/sessions/.[!.]*; do [ ! -e "$f" ] || echo "record $f"; done
    for f in /run/polyns/lock/*; do flock -n "$f" true || echo "held $f"; done
    for d; do for f in "$d"/* "$d"/.[!.]*; do [ ! -e "$f" ] || echo "$f"; done; done`
  const out = await box.sh(['bash', '-c', script, 'remains', ...directories])
  return out.split('\n').filter((line) => line !== '')
}

/** `min 1, median 2, max 3 ms`. */
export function times(all: readonly number[]): string {
  const sorted = [...all].sort((a, b) => a - b)
  const at = (part: number) => Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)
  return `min ${at(0)}, median ${at(0.5)}, max ${at(1)} ms`
}
