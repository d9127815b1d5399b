/*
 * docs/troubleshooting.md: each thing that goes wrong there is brought about, and what the log then says must stand in the
 * document; and the lines at its top, with which everybody gets in again, are taken from it and run.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { installPolyns, PAM_LINE, TMP_AND_SHM } from '../support/install.js'
import { plainStack } from '../support/logins.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')

const DOCUMENT = readFileSync(new URL('../../docs/troubleshooting.md', import.meta.url), 'utf8')

/** The log lines in it: what is in backquotes and says that something was refused or failed. */
const LINES = [...DOCUMENT.matchAll(/`([^`\n]*(?:refused:|polyns\[\d+\]:|execve\()[^`\n]*)`/g)].map(
  ([, line = '']) => line,
)
/** Not brought about here. */
const ELSEWHERE = [
  'refused: ... ', // Yama, which the tests' kernel lacks; a seccomp filter: seccomp.test.ts
  'refused: not done within 60 s', // the same with 3 s is here
  'slurm: open_session of alice: refused: ', // slurm-fail.test.ts
  'epilog of job 1: ',
]

/** Numbers differ from one run to the next, and `...` stands for what was left out. */
function pattern(line: string): RegExp {
  const parts = line.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(
    parts
      .join('.*')
      .replace(/\.polyns-new\\?\.\w+/, '.polyns-new.\\w+')
      .replace(/\d+/g, '\\d+'),
  )
}

const seen = new Set<string>()

interface Trouble {
  what: string
  /** Shell text that brings it about, and that mends it. */
  break: string
  mend: string
  /** What is tried; without it alice's login. */
  attempt?: (box: Sandbox) => Promise<{ status: number | null }>
  /** What comes of it; without it 254, which is what sshd makes of a refusal. */
  status?: number
}

const CONFIG = '/etc/polyns/namespace.conf'
const setConfig = (text: string) => `rm -rf /run/polyns/last-good; printf '${text}\\n' >${CONFIG}`
const goodConfig = `printf '${TMP_AND_SHM.replaceAll('\n', '\\n')}' >${CONFIG}; polyns check`
const TAKE_LOCK = `$| = 1; open F, '+<', '/run/polyns/lock/5001' or die; flock F, 2 or die`
const setLine = (words: string) => `sed -i '$s#.*#${PAM_LINE} ${words}#' /etc/pam.d/sshd`

const TROUBLES: readonly Trouble[] = [
  {
    what: 'somebody made the instance parent first',
    break:
      'mv /tmp/polyns-inst /root/inst; setpriv --reuid=1 --regid=1 --clear-groups mkdir /tmp/polyns-inst',
    mend: 'rmdir /tmp/polyns-inst; mv /root/inst /tmp/polyns-inst',
  },
  {
    what: 'an error in the configuration',
    break: setConfig('/tmp /tmp/polyns-inst/ user:craete root'),
    mend: goodConfig,
  },
  {
    what: 'no configuration',
    break: `${setConfig('')}; rm ${CONFIG}; mv /etc/security/namespace.conf /root`,
    mend: `${goodConfig}; mv /root/namespace.conf /etc/security`,
  },
  {
    what: 'an error in a configuration that was good',
    break: `echo '/tmp /tmp/polyns-inst/ user:craete root' >${CONFIG}`,
    mend: goodConfig,
    status: 0,
  },
  { what: 'a mistake in the PAM line', break: setLine('--fail-opn'), mend: setLine('') },
  { what: 'no program', break: 'mv /usr/sbin/polyns /root', mend: 'mv /root/polyns /usr/sbin' },
  {
    what: 'no seteuid',
    break: "printf 'alice ALL=(ALL) NOPASSWD: ALL\\n' >/etc/sudoers.d/alice; chmod 440 /etc/sudoers.d/alice",
    mend: 'true',
    attempt: (box) => box.run('sudo true', { user: 'alice' }),
    status: 1,
  },
  {
    what: '/run is full',
    break:
      'mount -t tmpfs -o mode=700,size=4k full /run/polyns/sessions; head -c 4096 /dev/zero >/run/polyns/sessions/x',
    mend: 'umount /run/polyns/sessions',
  },
  {
    what: 'the disk of the instances is full',
    break: `mkdir /srv/small; mount -t tmpfs -o mode=755,nr_inodes=2 small /srv/small; mkdir -m 0 /srv/small/inst; ${setConfig('/tmp /srv/small/inst/ user:noinit root')}`,
    mend: `umount /srv/small; ${goodConfig}`,
  },
  {
    what: 'no directory above the instance parent',
    break: `mkdir /scratch; ${setConfig('/scratch /srv/none/inst/ user:noinit root')}`,
    mend: goodConfig,
  },
  {
    what: 'an init script that fails',
    break: `printf '#!/bin/sh\\nexit 1\\n' >/etc/polyns/init; chmod 755 /etc/polyns/init; ${setConfig('/tmp /tmp/polyns-inst/ user:iscript=/etc/polyns/init root')}`,
    mend: goodConfig,
  },
  {
    what: 'an option that tmpfs does not know',
    break: setConfig('/tmp tmpfs tmpfs:noinit:mntopts=size=1Q root'),
    mend: goodConfig,
  },
  {
    what: 'an instance of another owner',
    break: 'chown bob /tmp/polyns-inst/alice; chmod 755 /tmp/polyns-inst/alice',
    mend: 'chown root:root /tmp/polyns-inst/alice; chmod 1777 /tmp/polyns-inst/alice', // as the document says
  },
  {
    what: 'a file in its place',
    break: 'mv /tmp/polyns-inst/alice /root/hers; touch /tmp/polyns-inst/alice',
    mend: 'rm /tmp/polyns-inst/alice; mv /root/hers /tmp/polyns-inst/alice',
  },
  {
    what: 'a user whom nobody knows',
    break: 'true',
    mend: 'true',
    attempt: async (box) => ({ status: (await box.pamApp({ service: 'sshd', user: 'nosuch' })).open }),
    status: 4, // PAM_SYSTEM_ERR
  },
  {
    what: 'failing open',
    break: `chmod 755 /tmp/polyns-inst; ${setLine('--fail-open')}`,
    mend: `chmod 0 /tmp/polyns-inst; ${setLine('')}`,
    status: 0,
  },
]

async function machine(): Promise<Sandbox> {
  const box = await Sandbox.start({ leftovers: 'ignore' })
  await installPolyns(box)
  await box.pam('sudo', plainStack([`${PAM_LINE} --global`.replace('seteuid ', '')]))
  await box.startSshd({ pamLines: [PAM_LINE] })
  await box.sh('polyns check && polyns setup')
  await box.ssh('alice', 'true')
  return box
}

/** What the log has said since, and which lines of the document that is. */
async function said(box: Sandbox, before: number): Promise<{ lines: string[]; known: string[] }> {
  const lines = (await box.syslog()).slice(before)
  const known = LINES.filter((line) => lines.some((one) => pattern(line).test(one)))
  for (const line of known) seen.add(line)
  return { lines, known }
}

t.test('what goes wrong, and what the log says of it', { skip }, async (t) => {
  await using box = await machine()
  for (const { what, break: spoil, mend, attempt, status = 254 } of TROUBLES) {
    const before = (await box.syslog()).length
    await box.sh(spoil)
    const got = await (attempt ?? ((it: Sandbox) => it.ssh('alice', 'true')))(box)
    t.equal(got.status, status, what)
    const { lines, known } = await said(box, before)
    t.not(
      known.length,
      0,
      `${what}: stands in the document: ${lines.filter((l) => /polyns/.test(l)).join(' | ')}`,
    )
    await box.sh(mend)
  }

  await t.test('traced already', async (t) => {
    const before = (await box.syslog()).length
    const tracer = box.spawn('exec strace -f -qq -o /dev/null -p "$(pgrep -o -x sshd)"')
    const traced = "grep -qE '^TracerPid:.*[1-9]' /proc/$(pgrep -o -x sshd)/status"
    for (let i = 0; i < 200 && (await box.run(traced)).status !== 0; i++) await sleep(20)
    t.equal((await box.ssh('alice', 'true')).status, 254)
    t.not((await said(box, before)).known.length, 0)
    await box.sh(setLine('--skip sshd'))
    t.equal((await box.ssh('alice', 'true')).status, 0, 'with --skip she comes in')
    await box.sh(setLine(''))
    await box.end(tracer)
  })

  await t.test('a lock that is held', async (t) => {
    await box.sh(setLine('--timeout 3'))
    for (const then of ['sleep 60', 'kill STOP, $$']) {
      const before = (await box.syslog()).length
      const holder = box.spawn(['perl', '-e', `${TAKE_LOCK}; print "held\\n"; ${then}`])
      await holder.waitFor(/held/)
      t.equal((await box.ssh('alice', 'true')).status, 254, then)
      t.not((await said(box, before)).known.length, 0)
      await box.end(holder, 'SIGKILL')
    }
    await box.sh(setLine(''))
  })

  t.same((await box.ssh('alice', 'true')).status, 0, 'and all is mended')
  const rest = LINES.filter((line) => !seen.has(line) && !ELSEWHERE.some((one) => line.includes(one)))
  t.same(rest, [], 'the document has no line that was not seen')
})

t.test('the emergency exit', { skip }, async (t) => {
  await using box = await machine()
  const [, block = ''] = /\n```\n(polyns uninstall .*?)```\n/s.exec(DOCUMENT) ?? []
  const [, out = '', open = ''] = block.split('\n').map((line) => line.replace(/ +#(?= ).*$/, ''))
  const [, back = ''] = /Back:\s+`([^`]*)`/.exec(DOCUMENT) ?? []
  const line = () => box.sh('tail -n 1 /etc/pam.d/sshd')
  await box.sh('chmod 755 /tmp/polyns-inst')
  t.equal((await box.ssh('alice', 'true')).status, 254, 'nobody gets in')
  t.equal((await box.pamApp({ service: 'sshd', user: 'root' })).open, 0, 'but whom no line concerns')

  await box.sh(out)
  t.equal(await line(), `#${PAM_LINE}\n`)
  t.equal((await box.ssh('alice', 'true')).status, 0, 'without the line she does')
  await box.sh(back)
  t.equal(await line(), `${PAM_LINE}\n`, 'it is as before')

  await box.sh(open)
  t.equal(await line(), `${PAM_LINE} --fail-open\n`)
  t.equal((await box.ssh('alice', 'true')).status, 0, 'with --fail-open she does')
  await box.sh("sed -i --follow-symlinks '/polyns pam/s/ --fail-open//' /etc/pam.d/*")
  t.equal(await line(), `${PAM_LINE}\n`)

  await box.sh(`${setConfig('x')}`)
  t.equal(
    (await box.pamApp({ service: 'sshd', user: 'root' })).open,
    4,
    'a broken configuration refuses root too',
  )
})
