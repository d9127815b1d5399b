/* What users put where the private directories, their instances and the parents are to be: objects, and what they made first. */
import t from 'tap'
import { type Attack, type Stage, together, tryAll } from '../support/attacks.js'
import { needs } from '../support/needs.js'

const skip = needs('root', 'layer', 'dist')
const PLACES = { polydir: '/home/alice/a/poly', instance: '/tmp/inst/alice' }
const CONFIG = `${PLACES.polydir} /tmp/inst/ user:noinit root\n`

/** Where objects are put, and shell text that makes all the others as they should be. `own` makes a directory right. */
const AT = {
  polydir: { path: '/home/alice/a/poly', own: 'chown alice:alice' },
  'above it': { path: '/home/alice/a', own: 'chown alice:alice' },
  instance: { path: '/tmp/inst/alice', own: 'chown alice:alice' },
  parent: { path: '/tmp/inst', own: 'chmod 000' },
} as const
type At = (typeof AT)[keyof typeof AT]

const FRESH = `for m in $(findmnt -rno TARGET | grep -E '^/(tmp|home/alice)/' | tac); do umount -l $m; done
  chattr -fi /tmp/inst/alice /tmp/inst /home/alice/a/poly /home/alice/a; rm -rf /tmp/inst /home/alice/a
  install -d -o alice -g alice /home/alice/a /home/alice/a/poly
  mkdir -m 000 /tmp/inst; install -d -o alice -g alice /tmp/inst/alice`

/** An object at $p in place of the right directory; `$own $p` makes what it is put on right. */
function object(id: string, attack: string, make: string): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure(CONFIG)
      const found = new Map<string, string>()
      for (const [place, at] of Object.entries(AT)) found.set(place, await put(stage, at, make))
      await stage.sh(FRESH)
      return together(found)
    },
  }
}

async function put(stage: Stage, { path, own }: At, make: string): Promise<string> {
  await stage.sh(FRESH)
  const below = path.endsWith('/a') ? `install -d -o alice -g alice ${path}/poly 2>/dev/null || :` : ':'
  const inst = path.endsWith('/inst') ? `install -d -o alice -g alice ${path}/alice 2>/dev/null || :` : ':'
  await stage.sh(
    `p=${path} own="${own}"; rm -r $p; ${make}\n${below}\n${inst}\n[ -L $p ] || [ ! -d $p ] || ($own $p) || :`,
  )
  return stage.session(PLACES)
}

/** What somebody has made before the administrator or the first login does. */
function first(id: string, attack: string, make: string): Attack {
  return {
    id,
    attack,
    tried: async (stage) => {
      await stage.configure('/tmp /tmp/inst/ user:noinit root\n')
      await stage.sh(`rm -rf /tmp/inst; ${make}`)
      const outcome = await stage.session()
      if (outcome !== 'private') return outcome
      const spied = await stage.outside('bob', 'ls /tmp/inst/alice || mv /tmp/inst /tmp/inst.bob')
      if (spied.status === 0) return 'BOB READS IT'
      return (await stage.sh('stat -c %u:%g:%a /tmp/inst/alice')) === '0:0:1777\n'
        ? 'private'
        : 'USED AS IT IS'
    },
  }
}

const instance = (make: string) => `mkdir -m 000 /tmp/inst; mkdir -m 1777 /tmp/inst/alice; ${make}`

const ATTACKS: Attack[] = [
  object('P1', 'a symbolic link to /etc', 'ln -s /etc $p'),
  object('P2', 'a symbolic link to another user’s home', 'ln -s /home/bob $p'),
  object('P3', 'a dangling symbolic link', 'ln -s nowhere $p'),
  object('P4', 'a symbolic link to itself', 'ln -s $p $p'),
  object('P5', 'a FIFO', 'mkfifo $p'),
  object(
    'P6',
    'a socket',
    `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "'$p'", Listen => 1)'`,
  ),
  object('P7', 'a device', 'touch $p; mount --bind /dev/null $p'),
  object('P8', 'a regular file', 'touch $p'),
  object('P9', 'a mount point', 'mkdir $p; mount --bind $p $p'),
  object('P10', 'another file system', 'mkdir $p; mount -t tmpfs other $p'),
  object(
    'P11',
    'a read-only mount',
    'mkdir $p; mkdir -p $p/poly $p/alice; chown alice $p/*; $own $p; mount --bind $p $p; mount -o remount,bind,ro $p',
  ),
  object(
    'P12',
    'an immutable directory',
    'mkdir $p; mkdir -p $p/poly $p/alice; chown alice $p/*; $own $p; chattr +i $p',
  ),
  first(
    'C1',
    'bob makes the parent first, mode 0777',
    'setpriv --reuid bob --regid bob --clear-groups mkdir -m 777 /tmp/inst',
  ),
  first(
    'C2',
    'bob makes the parent first, mode 000 and his',
    'setpriv --reuid bob --regid bob --clear-groups mkdir -m 000 /tmp/inst',
  ),
  first(
    'C3',
    'the parent is root’s, mode 000, with an ACL for bob',
    'mkdir -m 000 /tmp/inst; setfacl -m u:bob:rwx /tmp/inst; chmod 000 /tmp/inst',
  ),
  first(
    'C4',
    'the parent is root’s, mode 000, of bob’s group',
    'mkdir -m 000 /tmp/inst; chgrp bob /tmp/inst',
  ),
  first('C5', 'the instance is there, and bob’s', instance('chown bob /tmp/inst/alice')),
  first('C6', 'the instance is there with mode 0777', instance('chmod 0777 /tmp/inst/alice')),
  first(
    'C7',
    'the instance is there with the set-group-ID bit',
    instance('chgrp bob /tmp/inst/alice; chmod 3777 /tmp/inst/alice'),
  ),
  first(
    'C8',
    'the instance is there with an ACL for bob',
    instance('setfacl -m d:u:bob:rwx /tmp/inst/alice'),
  ),
]

t.test('paths and what was made first', { skip, timeout: 240_000 }, (t) =>
  tryAll(t, 'Path objects and pre-creation', import.meta.url, ATTACKS),
)
