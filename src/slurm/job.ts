/*
 * Which SLURM job a process belongs to. The cgroup says, which only root can arrange; where Slurm >= 26.05 puts its SLUID
 * there instead, the adopting PAM module's environment does, which counts only then. Never the process's own environment.
 */
import { readFileSync, readlinkSync } from 'node:fs'

/** What the cgroup path says: a job id, a job without its number (SLUID), or none. */
export type CgroupJob = { id: string } | 'sluid' | null

/*
 * v1    5:freezer:/slurm_node1/uid_1000/job_123/step_batch
 * v2    0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0
 * v2    0::/system.slice/slurmstepd.scope/s0123456789ABC/step_0      26.05 and later
 */
export function parseCgroupJob(text: string): CgroupJob {
  if (!text.includes('slurm')) return null // what follows takes 0.15 ms to compile
  // By line feeds, the only thing that is never in a cgroup's name: `^` and `.` stop at a carriage return too, which may be.
  for (const line of text.split('\n')) {
    const match = JOB.exec(line)
    if (match !== null) return match[1] === undefined ? 'sluid' : { id: match[1] }
  }
  return null
}

// Not below user.slice or user@UID.service: there a user makes the cgroups that he likes. And the outermost job of a path:
// what is in it may be the job's own.
const JOB =
  /^\d+:[^:]*:\/(?!(?:.*\/)?user(?:\.slice|@\d+\.service)\/)(?:.*?\/)??(?:slurm[^/]*\/uid_\d+|[^/]*slurmstepd\.scope)\/(?:job_(\d+)|(s[0-9A-HJKMNP-TV-Z]{13}))(?:\/|$)/s

/** `slurmstepd: [123.batch]`, set by slurmstepd before it opens the PAM session. */
export function parseStepTitle(cmdline: string): string | null {
  return /^slurmstepd: \[(\d+)\.[^\]]+\]/.exec(cmdline)?.[1] ?? null
}

/**
 * The job id of process `pid`, or null.
 * @param adopted SLURM_JOB_ID of the PAM environment
 */
export function jobIdOf(pid: number, adopted: string | undefined): string | null {
  const job = parseCgroupJob(read(`/proc/${pid}/cgroup`))
  if (job !== null && job !== 'sluid') return job.id
  if (job === 'sluid' && adopted !== undefined && /^[1-9]\d{0,9}$/.test(adopted)) return adopted
  return isStepDaemon(pid) ? parseStepTitle(read(`/proc/${pid}/cmdline`)) : null
}

/** Anybody can set a process title, but only root runs root's slurmstepd as root. Debian's file is slurmstepd-wlm. */
export function isStepDaemon(pid: number): boolean {
  try {
    const exe = `/proc/${pid}/exe`
    return (
      /\/slurmstepd(?:-[\w-]+)?( \(deleted\))?$/.test(readlinkSync(exe)) &&
      /\nUid:\s+0\s+0\s+0\s/.test(read(`/proc/${pid}/status`)) // not `^`: the name before it may hold a carriage return
    )
  } catch {
    return false
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended
  }
}
