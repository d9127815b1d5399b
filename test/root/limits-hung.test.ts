/*
 * Logins that meet a file system whose server is gone: each ends within its limit, says where it was, and leaves the
 * application as it was; or ends that too, where the kernel lets nothing go.
 */
import t from 'tap'
import { AT_MOST_MS, logged, machine, wasRefusedInTime } from '../support/limits.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { mountSshfs } from '../support/sshfs.js'

const skip = needs('root', 'layer', 'dist', 'fuse')
const HUNG = '/srv/m'

t.test('a polydir on a file system whose server has stopped', { skip }, async (t) => {
  await using box = await machine(`${HUNG}/dir /srv/inst/ user:noinit root\n`)
  const fuse = await mountSshfs(box, '/srv/served', HUNG)
  await fuse.hang('server')
  const refused = await box.pamApp({ service: 'app', user: 'alice' })
  wasRefusedInTime(t, refused)
  t.match(
    await logged(box, /refused/),
    /^authpriv\.err polyns\[\d+\]: app: open_session of alice: refused: not done within 2 s\. It was at: set up the session, openat2 '\/srv\/m\/dir'$/,
  )
  const went = await box.pamApp({ service: 'open', user: 'alice' })
  t.equal(went.open, 0, 'with --fail-open it goes on')
  t.ok(went.openMs < AT_MOST_MS, `after ${Math.round(went.openMs)} ms`)
  t.strictSame(went.opened, went.before, 'in the view that it had')
  t.match(
    await logged(box, /fail-open/),
    /^authpriv\.alert .*: goes on as it is because of --fail-open: not done within 2 s/,
  )
  await fuse.goOn()
  t.equal((await box.pamApp({ service: 'app', user: 'alice' })).open, 0, 'once it answers they can log in')
})

t.test('one whose server has taken the question: it is the application that ends', { skip }, async (t) => {
  await using box = await machine(`${HUNG}/dir /srv/inst/ user:noinit root\n`)
  const fuse = await mountSshfs(box, '/srv/served', HUNG)
  await fuse.hang('network')
  const started = Date.now()
  const login = await box.run('exec pamtester app alice open_session')
  t.equal(login.timedOut, false)
  t.ok(Date.now() - started < AT_MOST_MS + 5000, `after ${Date.now() - started} ms`)
  t.equal(login.signal, 'SIGKILL')
  t.match(
    await logged(box, /cannot be ended/),
    /^authpriv\.alert polyns\[\d+\]: process \d+ cannot be ended, a file system holds it: set up the session, openat2 '\/srv\/m\/dir'; so the application is, process \d+$/,
  )
  await fuse.goOn()
  for (let i = 0; i < 300 && box.processes().some(({ command }) => / pam --timeout /.test(command)); i++)
    await sleep(100)
  t.notMatch(
    box.processes().map(({ command }) => command),
    [/ pam --timeout /],
    'and its helper, as soon as it can',
  )
  t.equal((await box.pamApp({ service: 'app', user: 'alice' })).open, 0)
})

t.test('the working directory is on a file system that hangs', { skip }, async (t) => {
  await using box = await machine()
  const fuse = await mountSshfs(box, '/srv/served', HUNG)
  // In an odd directory: its name is read by the shell that logs.
  const odd = `${HUNG}/dir/$(touch x); 'y"\\\n\u00e9`
  await box.sh(['mkdir', odd])
  // Not a shell, which looks at its working directory itself before it runs anything.
  const wait = '$| = 1; chdir shift or die; print "there\\n"; <STDIN>; exec @ARGV'
  const pamtester = ['/usr/bin/pamtester', 'app', 'alice', 'open_session']
  const login = box.spawn(['perl', '-e', wait, odd, ...pamtester], { input: 'pipe' })
  await login.waitFor(/there/, 30_000)
  await fuse.hang('server')
  const started = Date.now()
  login.child.stdin?.end('\n')
  t.match(await login.exited, { status: 1, stderr: /pam_open_session|pamtester/ })
  t.ok(Date.now() - started < AT_MOST_MS, `after ${Date.now() - started} ms`)
  t.match(
    await logged(box, /refused/),
    /: app: open_session of alice: refused: .* at: set up the session, openat2 '\/srv\/m\/dir\/\$\(touch x\); 'y"\\\?/,
  )
  t.notOk((await box.run('ls /x /root/x')).stdout, 'nothing in the name was run')
  await fuse.goOn()
})
