/*
 * What an instance is called: byte for byte as pam_namespace calls it, so that a site can change over without moving data,
 * and then what polyns adds for sessions and jobs.
 */
import type { Rule } from '../config/index.js'
import { UnsafePathError } from '../sys/errors.js'
import type { Who } from './plan.js'

// In bytes, as pam_namespace counts.
const NAME_MAX_LENGTH = 80
const NAME_KEPT_LENGTH = 47

/**
 * `alice`, `alice.job123`, `alice.session7`; a name over 80 bytes is cut to 47 and its md5.
 * @param options `difference`: what tells this instance from others, without it the user's name
 */
export function instanceName(
  rule: Pick<Rule, 'scope'>,
  who: Pick<Who, 'user' | 'sessionId' | 'jobId'>,
  md5: (text: string) => string,
  options: { genHash?: boolean; difference?: string } = {},
): string {
  const { genHash = false, difference = who.user } = options
  const name = genHash ? md5(difference) : shortened(difference, md5)
  if (rule.scope === 'session') return `${name}.session${who.sessionId}`
  return rule.scope === 'job' && who.jobId !== null ? `${name}.job${who.jobId}` : name
}

function shortened(difference: string, md5: (text: string) => string): string {
  const bytes = Buffer.from(difference)
  if (bytes.length <= NAME_MAX_LENGTH) return difference
  const kept = bytes.subarray(0, NAME_KEPT_LENGTH)
  const text = kept.toString()
  if (Buffer.from(text).equals(kept)) return `${text}_${md5(difference)}`
  const why = `is cut after ${NAME_KEPT_LENGTH} bytes, which is within a character; --gen-hash gives a name that is not`
  throw new UnsafePathError(`instance name '${difference}'`, why)
}

/**
 * A name becomes the last component of a path, so it must be one: pam_namespace binds the instance parent itself for a user
 * called `..`. And it must not look like another user's instance of one job or session.
 */
export function assertUsableName(user: string): void {
  const why =
    user === ''
      ? 'is empty'
      : user === '.' || user === '..'
        ? 'is a directory of its own meaning'
        : user.includes('/') || user.includes('\0')
          ? 'holds a slash or a NUL'
          : user.startsWith('-')
            ? 'starts with a minus, which programs would take for an option'
            : /\.(job\d+|session[acp]?\d[\d_]*)$/.test(user) // but steve.jobs and jeff.sessions may log in
              ? 'would be taken for the instance of a job or a session'
              : null
  if (why !== null) throw new UnsafePathError(`user name '${user}'`, `${why}: it cannot name an instance`)
}
