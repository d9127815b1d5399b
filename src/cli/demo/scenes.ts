/*
 * What the demo shows, scene by scene. Everything printed is what a login's shell answered, and is held against what polyns
 * promises: where they differ the demo says so, and fails.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { MNT } from '../../sys/flags.js'
import { umount2 } from '../../sys/mount.js'
import { CLEAN_ENVIRONMENT } from './enclose.js'
import { Login, type LoginOptions } from './login.js'
import { bold, drawFact, drawTable, fold, type Look } from './picture.js'
import { mountTmpfs, type World } from './world.js'

const PLACES = ['/tmp', '/dev/shm'] as const
type Place = (typeof PLACES)[number]
/** What one login finds at each place. */
type View = Readonly<Record<Place, readonly string[]>>

interface Show {
  /** Why the two users have one uid; null: no reason is known. */
  why: string | null
  look: Look
  out(text: string): void
}

interface Users {
  alice: Login
  bob: Login
}

/** @returns whether everything was as it should be. @throws what kept a scene from being played */
export async function play(world: World, show: Show): Promise<boolean> {
  using stage = new Stage(world, show)
  introduce(stage, show.why)
  const host = await stage.open({ user: 'root', polyns: false })
  await host.run('touch /tmp/host.txt')
  await withoutPolyns(stage, host)
  await polyns(world, ['setup'])
  const mounts = mountTable()
  const users = await withPolyns(stage, host)
  await bobLooksForTheSecret(stage, users)
  await aliceLogsInAgain(stage, users, host)
  await hostMountsLater(stage, users)
  await aliceBecomesRoot(stage, host)
  await allLogOut(stage, host, mounts)
  // It takes nothing of uid 0, whatever that is called.
  if (world.bob.uid !== 0) await bobsLastJobEnds(stage)
  conclude(stage)
  return stage.failed === 0
}

function introduce({ world, say }: Stage, why: string | null): void {
  const how = world.isUserNamespace
    ? 'It is in a user namespace of yours, without root'
    : 'It is in namespaces that root made'
  say(
    `polyns demo: a throw-away machine inside this one, with two users.\n${how}; nothing outside is changed.`,
  )
  if (world.alice.uid !== world.bob.uid) return
  say(fold(`${why ?? 'there is one uid only'}, so two sessions of one uid stand for two users.`))
}

async function withoutPolyns(stage: Stage, host: Login): Promise<void> {
  const [alice, bob] = await Promise.all([
    stage.open({ user: 'alice', polyns: false }),
    stage.open({ user: 'bob', polyns: false }),
  ])
  await writeTheirFiles({ alice, bob })
  const everything = { '/tmp': ['bob.txt', 'host.txt', 'secret.txt'], '/dev/shm': ['segment'] }
  stage.title('Without polyns: one /tmp for all')
  await stage.views([alice, everything], [bob, everything], [host, everything])
  await alice.run('rm /tmp/secret.txt /dev/shm/segment')
  await bob.run('rm /tmp/bob.txt')
  await Promise.all([alice.close(), bob.close()])
}

async function withPolyns(stage: Stage, host: Login): Promise<Users> {
  const [alice, bob] = await Promise.all([
    stage.open({ user: 'alice', polyns: true }),
    stage.open({ user: 'bob', polyns: true }),
  ])
  await writeTheirFiles({ alice, bob })
  stage.title("With polyns: 'polyns setup' at boot, 'polyns pam' at each login; the same again")
  await stage.views(
    [alice, { '/tmp': ['secret.txt'], '/dev/shm': ['segment'] }],
    [bob, { '/tmp': ['bob.txt'], '/dev/shm': [] }],
    [host, { '/tmp': ['host.txt', 'polyns-inst/'], '/dev/shm': ['polyns-inst/'] }],
  )
  const namespaces = new Set([alice, bob, host].map((login) => login.namespace))
  stage.expect(namespaces.size === 3, 'the three are in namespaces of their own', [...namespaces].join(' '))
  return { alice, bob }
}

async function writeTheirFiles({ alice, bob }: Users): Promise<void> {
  await alice.run('echo 42 >/tmp/secret.txt; echo 42 >/dev/shm/segment')
  await bob.run('echo 43 >/tmp/bob.txt')
}

async function bobLooksForTheSecret({ fact }: Stage, { bob }: Users): Promise<void> {
  const absent = 'No such file or directory'
  const { text } = await bob.run('cat /tmp/secret.txt')
  fact(text.endsWith(absent), `bob types 'cat /tmp/secret.txt': ${absent}`, text)
}

async function aliceLogsInAgain(stage: Stage, { alice, bob }: Users, host: Login): Promise<void> {
  const { drive } = stage.world
  const second = await stage.open({ user: 'alice', polyns: true, mount: drive })
  const [hers, again, outside] = [alice, second, host].map((login) => login.namespace)
  stage.fact(
    hers === again && hers !== outside,
    "alice logs in again: the second login joins the first one's namespace",
    `${hers}, then ${again}; the host's is ${outside}`,
  )
  const [first, others, hosts] = await Promise.all([alice.list(drive), bob.list(drive), host.list(drive)])
  stage.fact(
    first.includes('photo.jpg') && others.length === 0 && hosts.length === 0,
    'what she mounts in the second, the first sees; bob and the host do not',
    JSON.stringify({ alice: first, bob: others, host: hosts }),
  )
}

async function hostMountsLater({ world, fact }: Stage, { alice, bob }: Users): Promise<void> {
  const look = () =>
    Promise.all([alice, bob].map((login) => login.run(`grep -c ' ${world.usb} ' /proc/self/mountinfo`)))
  mountTmpfs(world.usb, '755')
  const mounted = (await look()).map(({ text }) => text)
  umount2(world.usb, MNT.UMOUNT_NOFOLLOW)
  const unmounted = (await look()).map(({ text }) => text)
  fact(
    `${mounted} ${unmounted}` === '1,1 0,0',
    `the host mounts ${world.usb} now: both get it at once, and its end too`,
    `mounts there: ${mounted}, then ${unmounted}`,
  )
}

async function aliceBecomesRoot(stage: Stage, host: Login): Promise<void> {
  const root = await stage.open({ user: 'alice', polyns: true, su: true })
  const files = (await root.list('/tmp')).join(' ')
  stage.fact(
    root.namespace === host.namespace && files === 'host.txt polyns-inst/',
    "alice calls su: by 'polyns pam --global' root has the host's own view",
    `${root.namespace}, the host's is ${host.namespace}; /tmp: ${files}`,
  )
}

async function allLogOut(stage: Stage, host: Login, mounts: string): Promise<void> {
  const files = (await host.list('/tmp/polyns-inst/alice')).join(' ')
  await stage.closeAll()
  const sessions = await openSessions(stage.world)
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== '1')
  const isSame = mountTable() === mounts
  stage.fact(
    sessions === 0 && processes.length === 0 && isSame,
    'all log out: no process, no session and no mount is left',
    `${sessions} sessions; processes: ${processes.join(' ') || 'none'}; mounts ${isSame ? 'as before' : 'differ'}`,
  )
  stage.fact(
    files === 'secret.txt',
    "alice's files stay for her next login, in /tmp/polyns-inst/alice",
    files,
  )
}

async function bobsLastJobEnds({ world, fact }: Stage): Promise<void> {
  const { name, uid } = world.bob
  const job = { SLURM_JOB_ID: '7', SLURM_JOB_USER: name, SLURM_JOB_UID: `${uid}` }
  await polyns(world, ['epilog'], job)
  const left = PLACES.map((place) => readdirSync(`${place}/polyns-inst`).join(' '))
  fact(
    left.every((names) => names === 'alice'),
    "bob's last SLURM job ends: 'polyns epilog' removes what was his alone",
    left.join('; '),
  )
}

function conclude({ say, failed }: Stage): void {
  if (failed > 0) {
    say(
      `\nNOT as it should be: ${failed} of what polyns promises did not hold here. Please report these lines.`,
    )
    return
  }
  say('\nEach user has a private /tmp and /dev/shm; all else is shared as ever.')
  say("Next: README.md; 'polyns check' reads your configuration.")
}

/** Runs a command of polyns on the demo's machine. @throws {Error} it failed, with what it said */
async function polyns({ program }: World, args: string[], env = {}): Promise<string> {
  const [file = '', ...words] = program
  const { stdout } = await promisify(execFile)(file, [...words, ...args], {
    cwd: '/',
    env: { ...CLEAN_ENVIRONMENT, ...env },
  })
  return stdout
}

async function openSessions(world: World): Promise<number> {
  const { sessions }: { sessions: unknown[] } = JSON.parse(
    await polyns(world, ['list', '--json', '--budget', '0']),
  )
  return sessions.length
}

function mountTable(): string {
  return readFileSync('/proc/self/mountinfo', 'utf8')
}

/** The logins that are open, what is printed, and how much of it did not hold. */
class Stage {
  failed = 0
  readonly #logins: Login[] = []

  constructor(
    readonly world: World,
    private readonly show: Show,
  ) {}

  async open(options: LoginOptions): Promise<Login> {
    const login = await Login.open(this.world, options)
    this.#logins.push(login)
    return login
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#logins.map((login) => login.close()))
  }

  readonly say = (text: string): void => this.show.out(`${text}\n`)

  title(text: string): void {
    this.say(`\n${bold(text, this.show.look)}`)
  }

  /** Draws who sees what, and holds it against what each should see. */
  async views(...expected: readonly [Login, View][]): Promise<void> {
    const seen = await Promise.all(expected.map(([login]) => viewOf(login)))
    const names = expected.map(([{ user }]) => (user === 'root' ? 'the host' : user))
    const rows = PLACES.map((place) => ({ label: place, cells: seen.map((view) => view[place]) }))
    const namespaces = expected.map(([login]) => [login.namespace.replace(/\D/g, '')])
    this.show.out(drawTable(names, [...rows, { label: 'namespace', cells: namespaces }], this.show.look))
    for (const [i, [, view]] of expected.entries()) {
      for (const place of PLACES) {
        const found = seen[i]?.[place].join(' ') ?? ''
        const wanted = view[place].join(' ')
        this.expect(found === wanted, `${names[i]} sees '${wanted}' in ${place}`, `'${found}'`)
      }
    }
  }

  /** Prints a statement, and whether it holds. */
  readonly fact = (holds: boolean, text: string, seen: string): void => {
    if (!holds) this.failed++
    this.show.out(drawFact(holds, text, seen, this.show.look))
  }

  /** Prints a statement only if it does not hold: a picture shows it already. */
  expect(holds: boolean, text: string, seen: string): void {
    if (!holds) this.fact(false, text, seen)
  }

  [Symbol.dispose](): void {
    for (const login of this.#logins) login.abandon()
  }
}

async function viewOf(login: Login): Promise<View> {
  return { '/tmp': await login.list('/tmp'), '/dev/shm': await login.list('/dev/shm') }
}
