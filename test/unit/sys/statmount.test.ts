/* listmount(2) and statmount(2) tell what mountinfo tells, of one's own namespace and of another with all that a mount can be. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Mount } from '../../../src/mountinfo/parse.js'
import { readMounts, readNamespace, statMounts } from '../../../src/mountinfo/read.js'
import { listmount, statmount } from '../../../src/sys/statmount.js'
import { needs } from '../../support/needs.js'

const skip = listmount(null) === null ? 'this kernel has no listmount' : false

const withoutIds = (mounts: readonly Mount[] | undefined) => mounts?.map(({ uniqueId: _, ...rest }) => rest)
const uniqueIds = (mounts: readonly Mount[] | undefined) =>
  (mounts ?? []).map(({ uniqueId = 0n }) => uniqueId)

t.test('this namespace', { skip }, (t) => {
  const stat = statMounts(process.pid)
  t.same(withoutIds(stat?.mounts), readMounts(process.pid).mounts)
  t.same(uniqueIds(stat?.mounts), listmount(null))
  t.ok(uniqueIds(stat?.mounts).every((id) => id > 2n ** 31n))
  t.same(withoutIds(readNamespace(process.pid)?.mounts), readMounts(process.pid).mounts)
  t.end()
})

t.test('no such mount, no such namespace', { skip }, (t) => {
  t.equal(statmount(2n ** 60n, null), 'gone')
  t.throws(() => listmount(2n ** 60n), { code: 'ENOENT', syscall: 'listmount' })
  t.end()
})

// Its mounts are in a namespace of its own, which goes with it.
const MOUNTS = `
mount --make-rprivate / && mount -t tmpfs top /mnt && cd /mnt && mkdir a 'b c' 'd\\e' f g h i j kept
mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime,size=1m 'with blank' 'b c'
mount -t tmpfs -o sync,dirsync,lazytime,nodiratime,strictatime tab 'd\\e'
mount --bind --make-unbindable a a; mount -t tmpfs -o nosymfollow,mode=700 s f; mount -t proc proc g
mount -t tmpfs --make-shared s h; mount --bind h i; mount --make-slave i; mount --bind i j; mount --make-shared j
mkdir gone r; mount --bind gone kept; rmdir gone; mount -t tmpfs s r; mkdir r/d; for n in 1 2 3 4 5 6 7 8 9 10; do mount --rbind r r/d; done
echo ready; exec sleep 600`

t.test('another namespace, of all kinds of mounts', { skip: skip || needs('root') }, async (t) => {
  const child = spawn('unshare', ['--mount', 'sh', '-ec', MOUNTS], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit').catch(() => {})
  })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  const pid = child.pid ?? 0
  const mounts = readMounts(pid).mounts
  t.ok(mounts.length > 600, 'more than one call of listmount gives')
  const stat = statMounts(pid)
  t.same(withoutIds(stat?.mounts), mounts)
  const ids = uniqueIds(stat?.mounts)
  t.same(
    ids,
    [...ids].sort((a, b) => (a < b ? -1 : 1)),
    'the later has the higher one',
  )
  t.match(
    mounts.find(({ root }) => root.endsWith('//deleted')),
    { root: '/gone//deleted' },
    'a directory that is gone',
  )
  t.ok(mounts.some(({ propagation: p }) => p.master !== undefined && p.shared !== undefined))
  t.ok(mounts.some(({ propagation: p }) => p.unbindable))
  t.match(
    stat?.mounts.find(({ source }) => source === 'with blank'),
    { mountPoint: '/mnt/b c', options: ['ro', 'nosuid', 'nodev', 'noexec', 'noatime'] },
  )
})
