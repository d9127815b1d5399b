/* The single executable: it is the program and nothing else, whatever is said to the Node in it; and never half of it. */
import t from 'tap'
import { needs } from '../support/needs.js'
import { fetchParts, installExecutable, LIB, SIZE_MB } from '../support/package.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'

const skip = needs('root', 'layer', 'dist')
const NODE = `${LIB}/polyns-node`
const VERSION = /^\d+\.\d+\.\d+\n$/
const CLOSE = { PAM_TYPE: 'close_session', PAM_SERVICE: 'app', PAM_USER: 'alice' }

async function start(): Promise<Sandbox> {
  fetchParts()
  const box = await Sandbox.start({ sizeMb: SIZE_MB })
  await installExecutable(box)
  return box
}

t.test('nothing said to the Node in it is heeded', { skip }, async (t) => {
  await using box = await start()
  await box.write('/run/evil.js', `require('fs').writeFileSync('/run/evil', '')\n`)
  await box.write('/run/evil.cnf', 'openssl_conf = x\n[x]\nproviders = nonsense\n')
  const evil = () => box.run('ls -d /run/evil /run/evil-* 2>/dev/null')

  for (const [name, value] of Object.entries({
    NODE_OPTIONS: '--require /run/evil.js',
    NODE_EXTRA_CA_CERTS: '/run/evil.js',
    NODE_V8_COVERAGE: '/run/evil-coverage',
    NODE_COMPILE_CACHE: '/run/evil-cache',
    NODE_REDIRECT_WARNINGS: '/run/evil-warnings',
    NODE_ICU_DATA: '/nowhere',
    NODE_DEBUG: 'module',
    NODE_DEBUG_NATIVE: 'SEA',
    OPENSSL_CONF: '/run/evil.cnf',
    UV_THREADPOOL_SIZE: '0',
  })) {
    const env = { [name]: value }
    // The same, with the Node of this machine, is not always silent: what must not be seen at all is the variable.
    const r = await box.run(`strace -f -s 200 -o /run/trace ${NODE} --version`, { env })
    t.match(r, { status: 0, stdout: VERSION, stderr: '' }, name)
    const opened = await box.run(`grep -v execve /run/trace | grep -F ${value.replace('--require ', '')}`)
    if (value.startsWith('/') || name === 'NODE_OPTIONS')
      t.equal(opened.stdout, '', 'nothing is looked for there')
  }
  t.equal((await evil()).stdout, '')

  // A word that is Node's is no word of polyns.
  for (const words of [
    '-e 1',
    '--eval=1',
    '-p 1',
    '--inspect',
    '--inspect-brk',
    '--require /run/evil.js',
    '--node-options=--require=/run/evil.js',
    '--build-snapshot /run/evil.js',
    '--run evil',
    '--test',
    '-',
    '/run/evil.js',
  ]) {
    const r = await box.run(`${NODE} ${words}`, { input: "require('fs').writeFileSync('/run/evil', '')" })
    t.match(r, { status: 2, stdout: '', stderr: /^error: unknown (option|command) / }, words)
  }
  t.equal((await evil()).stdout, '')
})

t.test('opening, closing and all else are three programs in it', { skip }, async (t) => {
  await using box = await start()
  const env = { PAM_TYPE: 'open_session', PAM_SERVICE: 'app', PAM_USER: 'nobody.there' }
  const run = (words: string) => box.run(['sh', '-c', `${NODE} ${words}; exit $?`], { env })
  for (const words of ['pam', 'pam --no-such-option', 'pam --helpx', "pam ''", 'pam x -- --hel'])
    t.match(await run(words), { status: /[1-9]/, stdout: '', stderr: '' }, `${words}: a login writes nothing`)
  // What the one needs the other has not; so who gets the wrong one is refused, and logs it.
  for (const [PAM_TYPE, status] of Object.entries({
    close_session: 0,
    close_sessio: 2,
    close_session2: 2,
    auth: 2,
    '': 2,
  }))
    t.match(await box.run(['sh', '-c', `${NODE} pam; exit $?`], { env: { ...env, PAM_TYPE } }), {
      status,
      stderr: '',
    })
  for (const words of ['pam --help', 'pam --debug --help'])
    t.match(await box.run(`${NODE} ${words}`), { status: 0, stdout: /^Usage: polyns pam / }, words)
  for (const words of ['pamx', 'pa', "'pam '", "''", '-- pa'])
    t.match(await run(words), { status: 2, stderr: /^error: / }, `${words}: no login`)
})

t.test("Abseil's search for deadlocks is off", { skip }, async (t) => {
  await using box = await start()
  // Its table is the one megabyte and a bit that Node's own start asks for.
  const tables = async (command: string) => {
    await box.sh(`strace -f -e trace=mmap -o /run/trace ${command}`, { cwd: '/opt/polyns' })
    return (await box.sh('grep -c "mmap(NULL, 1114112, PROT_READ|PROT_WRITE" /run/trace || true')).trim()
  }
  t.equal(
    await tables(`.cache/node-linux-${process.arch}-*/bin/node -p 1`),
    '1',
    'it is on in Node as it comes',
  )
  t.equal(await tables(`${NODE} --version`), '0')
})

t.test("a login's switches are taken back as a whole", { skip }, async (t) => {
  await using box = await start()
  // V8's word for whether code compiled with other switches can be used: the code of Node's own modules, for hooks and threads.
  const ask = `import('./tools/sea/switches.mjs').then(async ({ FLAGS, LOGIN_FLAGS, BACK }) => {
    const { fetchNode } = await import('./tools/sea/fetch.mjs')
    const { execFileSync } = await import('node:child_process')
    const node = fetchNode(process.arch).directory + '/bin/node'
    const tag = (flags, back) => execFileSync(node, [...flags, '-p',
      \`const v8 = require('v8'); v8.setFlagsFromString('\${back}'); v8.cachedDataVersionTag()\`], { encoding: 'utf8' })
    const login = [...FLAGS, ...LOGIN_FLAGS]
    console.log(JSON.stringify([tag(FLAGS, ''), tag(login, ''), tag(login, BACK)]))
  })`
  const [plain, login, back] = JSON.parse(await box.sh(['node', '-e', ask], { cwd: '/opt/polyns' }))
  t.not(login, plain)
  t.equal(back, plain)
})

const APP = `
polyns() { env -i PAM_SERVICE=app PAM_USER=alice PAM_TYPE=$1 ${LIB}/polyns pam; }
polyns open_session || exit 1
perl -e 'for (1..40000) { open my $file, ">", "/tmp/$_" or die }' || exit 2
ls /tmp | wc -l
polyns close_session || exit 3
`

t.test('a login runs hooks, and removes a large tree', { skip }, async (t) => {
  await using box = await start()
  await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/inst/ tmpdir:noinit root\n')
  await box.sh('mkdir -p /tmp/inst && chmod 000 /tmp/inst')
  const hook = '#!/bin/sh\necho "$POLYNS_EVENT $POLYNS_USER" >>/run/hooks\n'
  for (const event of ['open', 'close', 'last'])
    await box.write(`/etc/polyns/session.d/${event}/10W-note`, hook, 0o755)
  await box.write('/run/app', APP)
  t.equal((await box.sh('sh /run/app')).trim(), '40000')
  t.equal(await box.read('/run/hooks'), 'open alice\nclose alice\nlast alice\n')
  t.equal(await box.sh('ls /tmp/inst'), '', 'all is gone')
})

t.test('SIGUSR1 opens no debugger', { skip }, async (t) => {
  await using box = await start()
  const waiting = box.spawn(['sh', '-c', `sleep 30 | ${NODE} mount --worker -- /`])
  const pid = async () => (await box.run(`pgrep -f '^${NODE} mount'`)).stdout.trim()
  const isReady = async (p: string) =>
    (await box.run(`grep -q anon_inode:.eventpoll <(ls -l /proc/${p}/fd)`)).status === 0
  let p = ''
  for (let i = 0; i < 500 && !(p && (await isReady(p))); i++) {
    await sleep(20)
    p = await pid()
  }
  await box.sh(`kill -USR1 ${p}`)
  await sleep(300)
  t.match(await box.run(`ss -ltn | grep 9229`), { status: 1 }, 'nothing listens')
  const threads = await box.sh(`cat /proc/${p}/task/*/comm`)
  t.notMatch(threads, /SignalInspector/)
  await box.run(`pkill -x sleep`)
  await waiting.exited
})

t.test('of what is inherited, a command gets all as it was', { skip }, async (t) => {
  await using box = await start()
  await box.write('/etc/polyns/namespace.conf', '/tmp /tmp/inst/ user:noinit root\n')
  const see = `sh -c 'ulimit -Sn; grep -E "^Sig(Blk|Ign)" /proc/self/status; env'`
  for (const program of ['polyns', 'polyns-node']) {
    const soft = program === 'polyns' ? 123 : ''
    const out = await box.sh(`ulimit -Sn 123; X=1 LD_X=1 ${LIB}/${program} exec -u alice -- ${see}`)
    t.match(out, new RegExp(`^${soft}`), 'the limit of open files')
    t.match(out, /SigBlk:\s+0{16}\nSigIgn:\s+0{16}\n/)
    t.notMatch(out, /^(X|LD_X|POLYNS_NOFILE)=/m)
  }
})

t.test('what is cut off, or is missing, is no session', { skip }, async (t) => {
  await using box = await start()
  const pam = ['sh', '-c', `${LIB}/polyns pam; exit $?`] // what is adopted is its parent, in here
  t.match(await box.run(pam, { env: CLOSE }), { status: 0 }, 'whole')
  const size = Number(await box.sh(`stat -c %s ${NODE}`))
  await box.sh(`mv ${NODE} /var/tmp/whole; mv ${LIB}/koffi-*.node /var/tmp`)
  t.not((await box.run(pam, { env: CLOSE })).status, 0, 'neither file is there')
  await box.sh(`cp /var/tmp/koffi-*.node ${LIB}`)
  t.match(await box.run(pam, { env: CLOSE }), { status: 4, stderr: /cannot start polyns-node or polyns.sh/ })
  await box.sh(`printf '#!/bin/sh\\n' >${LIB}/polyns.sh; chmod 755 ${LIB}/polyns.sh`)
  const lengths = [
    0,
    1,
    63,
    64,
    4096,
    1e6,
    size >> 2,
    size >> 1,
    size - 4e6,
    size - 3e6,
    size - 2e6,
    size - 1e6,
    size - 1e5,
    size - 70_000,
    size - 4096,
    size - 9,
    size - 8,
    size - 4,
    size - 1,
  ]
  for (const length of lengths) {
    await box.sh(`head -c ${length} /var/tmp/whole >${NODE}; chmod 755 ${NODE}`)
    const { status } = await box.run(pam, { env: CLOSE })
    t.not(status, 0, `${length} bytes of ${size}, and polyns.sh is not tried`)
  }
  await box.sh(
    `cp /var/tmp/whole ${NODE}; printf x | dd of=${NODE} bs=1 seek=${size - 3} conv=notrunc status=none`,
  )
  t.match(await box.run(pam, { env: CLOSE }), {
    status: 4,
    stderr: 'polyns: the program is not whole: install it again\n',
  })
  await box.sh(`cp /var/tmp/whole ${NODE}`)
  const [koffi = ''] = (await box.sh(`ls ${LIB}/koffi-*`)).trim().split('\n')
  const koffiSize = Number(await box.sh(`stat -c %s ${koffi}`))
  for (const length of [0, 100, 4096, koffiSize >> 1, koffiSize - 4096]) {
    await box.sh(`head -c ${length} /var/tmp/koffi-*.node >${koffi}`)
    t.not((await box.run(pam, { env: CLOSE })).status, 0, `${length} bytes of ${koffiSize} of koffi`)
  }
  await box.sh(`cp /var/tmp/koffi-*.node ${LIB}`)
  t.match(await box.run(pam, { env: CLOSE }), { status: 0 }, 'whole again')
})
