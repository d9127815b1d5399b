/*
 * Opens sessions while clean-ups run without pause, inside a sandbox: logins through su, and jobs each of which is followed
 * by its own epilog, as slurmd does it, while the next ones begin. Looks at every session from both sides at the same moment.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { statSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

export interface RaceCall {
  rounds: number
  /** How many sessions at once. */
  workers: number
  users: { name: string; uid: number }[]
  /** Polydirs, and the parents of their instances. */
  places: { polydir: string; parent: string; perJob: boolean }[]
}

export interface RaceReport {
  rounds: number
  seconds: number
  /** What was wrong with a session, one line each. */
  wrong: string[]
  /** How often each clean-up ran to its end. */
  reaps: number
  epilogs: number
  /** What a clean-up complained of. */
  failed: string[]
  /** How often each path was taken away. */
  removed: Record<string, number>
  /** How many different directories the sessions have seen under each path. */
  seen: Record<string, number>
}

const POLYNS = '/usr/sbin/polyns'
const PERL = '/usr/bin/perl'
// Writes its file at once; tells at its end what its directories are, and stays until it has been looked at.
const LIFE = `
$| = 1;
my ($name, @dirs) = @ARGV;
for (@dirs) { open my $f, ">", "$_/$name" or die "$_/$name: $!"; print $f $name; close $f or die $! }
select undef, undef, undef, rand 0.04;
for my $dir (@dirs) {
  open my $f, "<", "$dir/$name" or die "$dir/$name is lost: $!";
  <$f> eq $name or die "$dir/$name is another";
  my ($ino, $nlink) = (stat $dir)[1, 3];
  open my $m, "<", "/proc/self/mountinfo" or die $!;
  my ($root) = reverse map { (split)[3] } grep { (split)[4] eq $dir } <$m>;
  print "$dir $ino $nlink $root\\n";
}
print "end\\n";
<STDIN>;
`

const { rounds, workers, users, places }: RaceCall = JSON.parse(process.argv[2] ?? '{}')
const report: RaceReport = {
  rounds: 0,
  seconds: 0,
  wrong: [],
  reaps: 0,
  epilogs: 0,
  failed: [],
  removed: {},
  seen: {},
}
const seen = new Map<string, Set<number>>()
const started = performance.now()
let next = 0
let isOver = false

void race()

async function race(): Promise<void> {
  const cleaner = cleanUpWithoutPause()
  await Promise.all(Array.from({ length: workers }, work))
  isOver = true
  await cleaner
  await reap()
  report.seconds = Math.round((performance.now() - started) / 1000)
  report.seen = Object.fromEntries([...seen].map(([path, inodes]) => [path, inodes.size]))
  writeSync(1, JSON.stringify(report))
}

async function work(): Promise<void> {
  let epilog = Promise.resolve()
  while (next < rounds) {
    const number = ++next
    const user = users[randomInt(users.length)] ?? { name: '', uid: 0 }
    const job = number % 3 === 0 ? null : `${number}`
    await session(number, user.name, job)
    await epilog // the one before: as many as there are workers, no more
    if (job !== null && number % 2 === 0) epilog = endJob(job, user)
  }
  await epilog
}

async function session(number: number, user: string, job: string | null): Promise<void> {
  const life = [PERL, '-e', LIFE, `${number}`, ...places.map(({ polydir }) => polydir)]
  const child =
    job === null
      ? run('su', ['-s', '/bin/sh', user, '-c', 'exec "$@"', '--', 'sh', ...life], 'pipe')
      : run(POLYNS, ['exec', '-u', user, '-j', job, '--', ...life], 'pipe')
  const who = `${number}, ${user}${job === null ? '' : ', a job'}`
  for await (const line of createInterface({ input: child.out })) {
    if (line === 'end') break
    const what = look(line, user, job)
    if (what !== null) report.wrong.push(`${who}: ${what}`)
  }
  child.out.resume()
  child.process.stdin?.end('\n')
  const { status, stderr } = await child.ended
  if (status !== 0 || stderr !== '') report.wrong.push(`${who}: status ${status}: ${stderr}`)
  report.rounds++
}

/** What the session says, beside what is under that name out here at this moment. */
function look(line: string, user: string, job: string | null): string | null {
  const [dir, inode, links, root] = line.split(' ')
  const place = places.find(({ polydir }) => polydir === dir)
  if (place === undefined) return `says ${line}`
  const name = place.perJob && job !== null ? `${user}.job${job}` : user
  const path = `${place.parent}/${name}`
  const inodes = seen.get(path) ?? new Set()
  seen.set(path, inodes.add(Number(inode)))
  const there = statSync(path, { throwIfNoEntry: false })
  if (there?.ino !== Number(inode)) return `${path} is inode ${there?.ino}, the session says ${line}`
  return Number(links) > 0 && root?.endsWith(`/${name}`) ? null : `says ${line}`
}

async function cleanUpWithoutPause(): Promise<void> {
  for (let i = 0; !isOver; i++) {
    const user = users[i % users.length]
    // Of a job that has ended long ago, of somebody whose next one may begin at any moment.
    if (i % 2 === 0 || user === undefined) await reap()
    else await endJob('999999', user)
  }
}

async function reap(): Promise<void> {
  report.reaps++
  await cleanUp(['reap', '--json'], {})
}

async function endJob(job: string, { name, uid }: RaceCall['users'][number]): Promise<void> {
  report.epilogs++
  const env = { SLURM_JOB_ID: job, SLURM_JOB_USER: name, SLURM_JOB_UID: `${uid}` }
  await cleanUp(['epilog', '--wait', '0', '--json'], env)
}

async function cleanUp(argv: string[], env: Record<string, string>): Promise<void> {
  const child = run(POLYNS, argv, 'ignore', env)
  let text = ''
  for await (const line of createInterface({ input: child.out })) text += line
  const { status, stderr } = await child.ended
  if (status !== 0 || stderr !== '') {
    report.failed.push(`${argv[0]}: status ${status}: ${stderr}`)
    return
  }
  const { removed, left, complete } = JSON.parse(text)
  for (const one of removed) {
    const path = typeof one === 'string' ? one : one.path
    report.removed[path] = (report.removed[path] ?? 0) + 1
  }
  if (left.length > 0 || !complete) report.failed.push(text)
}

function run(file: string, argv: string[], stdin: 'pipe' | 'ignore', env: Record<string, string> = {}) {
  const process: ChildProcess = spawn(file, argv, {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  })
  const { stdout, stderr } = process
  if (stdout === null || stderr === null) throw new Error('no pipe')
  process.stdin?.on('error', () => {}) // it has ended before its time: its status tells
  let errors = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = once(process, 'close').then(([status]) => ({
    status: status as number | null,
    stderr: errors,
  }))
  return { process, out: stdout, ended }
}
