/* What slurmd tells its epilog: prolog_epilog(5). Everything in it is checked before root acts on it. */
import type { Names } from '../config/index.js'
import { UnsafePathError } from '../sys/errors.js'

export interface EndedJob {
  id: string
  user: string
  uid: number
}

/**
 * The job that has ended on this node.
 * @throws {UnsafePathError} the user is empty, unknown, root or not who the uid says; the job is no number
 */
export function readEndedJob(env: Readonly<Record<string, string | undefined>>, names: Names): EndedJob {
  const id = env.SLURM_JOB_ID ?? ''
  if (!/^[1-9]\d{0,9}$/.test(id))
    throw new UnsafePathError(`SLURM_JOB_ID='${id}'`, 'is not the number of a job')
  const user = env.SLURM_JOB_USER ?? ''
  const shown = `SLURM_JOB_USER='${user}'`
  if (user === '' || user.includes('/') || user.startsWith('.') || user.startsWith('-')) {
    throw new UnsafePathError(shown, 'is not the name of a user')
  }
  const found = names.userByName(user)
  if (found === null) throw new UnsafePathError(shown, "is not known here; 'getent passwd' should list it")
  if (found.uid === 0) throw new UnsafePathError(shown, 'is root, whose directories are nobody’s to remove')
  const uid = env.SLURM_JOB_UID
  if (uid !== undefined && uid !== `${found.uid}`) {
    throw new UnsafePathError(shown, `has uid ${found.uid}, but SLURM_JOB_UID is '${uid}'`)
  }
  return { id, user, uid: found.uid }
}
