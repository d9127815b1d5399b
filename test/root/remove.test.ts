/* The removal of trees that are huge, deep, strange or fought for, by the real kernel: all goes that can, and nothing else. */
import t from 'tap'
import { call, install } from '../support/inside.js'
import { needs } from '../support/needs.js'
import { sleep } from '../support/run.js'
import { Sandbox } from '../support/sandbox.js'
import type { RemoveCall, RemoveReport } from './entry/remove.js'
import type { Rival } from './entry/remove-rival.js'

const skip = needs('root', 'layer')
const PARENT = '/srv/parent'
const TREE = `${PARENT}/tree`
const CALL: RemoveCall = { parent: PARENT, name: 'tree' }
const DEEP = 'for (1 .. shift) { mkdir "d" or die $!; chdir "d" }'

/** A sandbox with a tmpfs for the tree, and outside of the tree what must never be touched. */
async function machine() {
  const box = await Sandbox.start()
  await box.sh(`
    mount -t tmpfs -o mode=755 srv /srv && mkdir -m 000 ${PARENT} && mkdir ${TREE}
    mkdir -p /srv/canary/sub/deeper && cd /srv/canary && touch file sub/{0..19} sub/deeper/file`)
  const program = await install(box, 'remove')
  const canary = 'find /srv/canary -printf "%p %y %m %s\\n" | sort'
  const before = await box.sh(canary)
  return {
    box,
    program,
    remove: (options: Partial<RemoveCall> = {}) =>
      call<RemoveReport>(box, program, { ...CALL, ...options }, { timeoutMs: 90_000 }),
    left: async () =>
      (await box.sh(`find ${PARENT} -mindepth 1 -printf "%P\\n"`)).split('\n').filter(Boolean),
    canary: async () => (await box.sh(canary)) === before,
  }
}

t.test('a tree of 200,000 files: the time is kept, and the next run goes on', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  const make = 'for $d (1 .. 2000) { mkdir $d; for (1 .. 100) { open F, ">", "$d/$_" or die $! } }'
  await box.sh(`cd ${TREE} && perl -e '${make}'`, { timeoutMs: 60_000 })
  const first = await m.remove({ budgetMs: 100 })
  t.notOk(first.complete)
  t.ok(first.removed > 0 && first.ms < 1000, `${first.removed} in ${first.ms} ms`)
  const second = await m.remove()
  t.match(second, { complete: true, left: [], leaked: 0 })
  t.equal(first.removed + second.removed, 202_001)
  t.same(await m.left(), [])
})

t.test('the second thread empties a tree by itself, deep ones too', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(
    `cd ${TREE} && mkdir -p {1..20}/{1..20} && touch {1..20}/{1..20}/{1..5} && perl -e '${DEEP}' 500`,
  )
  t.match(await m.remove({ assistant: true }), { removed: 20 + 400 + 2000 + 500, complete: true, leaked: 0 })
  t.same(await m.left(), ['tree'])
})

t.test('40,000 directories one in the other, with 100 descriptors', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(`cd ${TREE} && perl -e '${DEEP}' 40000`, { timeoutMs: 60_000 })
  const out = await box.sh(['prlimit', '--nofile=100:100', m.program, JSON.stringify(CALL)], {
    timeoutMs: 90_000,
  })
  t.match(JSON.parse(out), { removed: 40_001, left: [], complete: true, leaked: 0 })
  t.same(await m.left(), [])
})

t.test('names and kinds of every sort', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(`
    cd ${TREE}
    touch $'new\\nline' $'\\xff\\xfe' $'\\e[31m' -- -rf ' ' '*' "$(printf 'n%.0s' {1..255})"
    mkdir $'dir\\n' $'dir\\xff' "$(printf 'd%.0s' {1..255})" ...
    mkfifo fifo; mknod null c 1 3; mknod block b 7 0
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'
    ln -s /srv/canary link; ln -s loop loop; ln -s . here; ln -s .. up; ln -s /proc/self/root magic
    echo content >/srv/elsewhere; ln /srv/elsewhere hardlink
    mkdir -m 000 closed; touch closed/file; mkdir -m 1777 sticky; touch sticky/file; chown -R alice closed
    touch .polyns-deep.0123456789abcdef; mkdir -p .polyns-deep.a/.polyns-deep.b/.polyns-deep.c`)
  const sleeper = box.spawn(`cd ${TREE}/sticky && exec 5>file && echo ready && sleep 1000`)
  await sleeper.waitFor(/ready/)
  t.match(await m.remove(), { left: [], complete: true, leaked: 0 })
  t.same(await m.left(), [])
  t.ok(await m.canary())
  t.equal(await box.sh('cat /srv/elsewhere; stat -c %h /srv/elsewhere'), 'content\n1\n', 'its other name')
})

t.test('what cannot be removed is reported and stays, the rest goes', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(`
    cd ${TREE} && mkdir -p fixed append rest/of/it $'mo\\nunt' inner && touch fixed/{a,b} append/{a,b} rest/file $'mo\\nunt/under' bound plain
    mount --bind /srv/canary $'mo\\nunt'; mount -t tmpfs inner inner; touch inner/file; mount --bind /srv/canary/file bound
    chattr +i fixed/a; chattr +a append`)
  const report = await m.remove()
  t.match(report, { complete: true, leaked: 0 })
  t.same(
    report.left.map(({ path, code }) => `${path.slice(TREE.length)} ${code}`).sort(),
    [
      '/append/a EPERM',
      '/append/b EPERM',
      '/bound EBUSY',
      '/fixed/a EPERM',
      '/inner EXDEV',
      '/mo\\x0aunt EXDEV',
    ],
    'by what stands in the way, and not again for each directory above; names are escaped',
  )
  t.equal(
    await box.sh(`cd ${TREE} && ls -A . inner`),
    '.:\nappend\nbound\nfixed\ninner\nmo\nunt\n\ninner:\nfile\n',
  )
  t.ok(await m.canary())
  await box.sh(`cd ${TREE} && umount $'mo\\nunt' inner bound && chattr -i fixed/a && chattr -a append`)
  t.match(await m.remove(), { left: [], complete: true })
  t.same(await m.left(), [])
})

t.test('something that cannot go, far down, does not keep the rest of a deep tree', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(`cd ${TREE} && perl -e '${DEEP} mkdir "m"; system("chattr +i m; touch f") and die' 500`)
  const { left, complete } = await m.remove()
  t.ok(complete)
  t.match(left, [{ path: /\/m$/, code: 'EPERM' }])
  t.equal(left.length, 1)
  const rest = await m.left()
  t.ok(rest.length < 40, 'what is above it, up to where it was lifted')
  await box.sh(`find ${TREE} -name m -exec chattr -i {} +`)
  t.match(await m.remove(), { left: [], complete: true })
})

t.test('what the whole file system refuses is reported once', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  await box.sh(
    `cd ${TREE} && touch {1..500} && mount --bind ${PARENT} ${PARENT} && mount -o remount,bind,ro ${PARENT}`,
  )
  const { left, complete, removed } = await m.remove()
  t.match({ complete, removed }, { complete: true, removed: 0 })
  t.equal(left.length, 1)
  t.match(left, [{ code: 'EROFS' }])
  t.equal((await m.left()).length, 501)
})

t.test('a process that keeps adding does not keep it going', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  const rival = await fight(box, { tree: TREE, how: 'add', elsewhere: '' })
  await box.sh(`mkdir ${TREE}/a`)
  await sleep(200)
  const report = await m.remove()
  t.match(report, { complete: true, leaked: 0 })
  t.ok(report.ms < 10_000, `${report.ms} ms`)
  t.same(
    report.left.filter(({ code }) => code !== 'ENOTEMPTY'),
    [],
  )
  await box.end(rival)
  if (report.left.length > 0) t.match(await m.remove(), { left: [], complete: true })
  t.same(await m.left(), [])
})

t.test('a process that exchanges directories with links harms nothing outside', { skip }, async (t) => {
  const m = await machine()
  await using box = m.box
  // As herself: as root she would exchange what is behind the links.
  await box.sh(`chmod 711 ${PARENT}; rmdir ${TREE}`)
  const rival = await fight(box, { tree: TREE, how: 'swap', elsewhere: '/srv/canary' }, 'alice')
  const report = await m.remove({ repeatMs: 4000 })
  t.match(report, { complete: true, leaked: 0 })
  t.ok(report.rounds > 20, `${report.rounds} rounds`)
  t.ok(await m.canary(), 'all that the links pointed to is there')
  await box.end(rival)
  await box.sh(`mkdir -p ${TREE}`)
  t.match(await m.remove(), { left: [], complete: true })
})

async function fight(box: Sandbox, rival: Rival, user = 'root') {
  const program = await install(box, 'remove-rival')
  const running = box.spawn([program, JSON.stringify(rival)], { user })
  await running.waitFor(/ready/)
  return running
}

t.test(
  'each call names one entry of an open directory, and links and mounts are closed',
  { skip },
  async (t) => {
    const m = await machine()
    await using box = m.box
    await box.sh(`cd ${TREE} && mkdir -p a/b && touch a/file && ln -s / link && perl -e '${DEEP}' 100`)
    const calls = 'trace=%file,openat2,unlinkat,renameat2,getdents64,rmdir,unlink,fchdir'
    await box.sh(['strace', '-o', '/srv/log', '-e', calls, m.program, JSON.stringify(CALL)])
    const lines = (await box.read('/srv/log')).split('\n')
    const from = lines.findIndex((line) => line.startsWith('openat2(AT_FDCWD, "/srv/parent"'))
    const all = lines.slice(from + 1).filter((line) => /^\w+\(/.test(line))
    const mine = all.filter(
      (line) => !/\/proc\/self\/fd|^getdents64/.test(line) && !line.includes('AT_FDCWD, "/proc'),
    )
    const ours = mine.filter((line) => /^(openat2|unlinkat|renameat2)\(/.test(line))
    const RELATIVE = /^(openat2|unlinkat)\(\d+, "[^"/]+", |^renameat2\(\d+, "[^"/]+", \d+, "[^"/]+", 0\)/
    t.same(
      ours.filter((line) => !RELATIVE.test(line)),
      [],
    )
    const opens = ours.filter((line) => line.startsWith('openat2'))
    t.ok(opens.length > 100 && ours.some((line) => line.startsWith('renameat2')))
    t.same(
      opens.filter(
        (line) =>
          ![
            'O_DIRECTORY',
            'O_NOFOLLOW',
            'O_CLOEXEC',
            'RESOLVE_NO_XDEV',
            'RESOLVE_NO_SYMLINKS',
            'RESOLVE_BENEATH',
          ].every((flag) => line.includes(flag)),
      ),
      [],
    )
    t.same(
      mine.filter((line) => !ours.includes(line) && line.includes('srv/parent')),
      [],
      'and no other call has a path in there',
    )
  },
)
