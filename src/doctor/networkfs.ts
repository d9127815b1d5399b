/*
 * File systems that other machines may have mounted too. Pure. A mount of one can hang as long as its server does, so doctor
 * looks at nothing that lies on it.
 */
import type { Mount } from '../mountinfo/parse.js'
import type { MountTable } from '../mountinfo/table.js'

const NETWORK: ReadonlySet<string> = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'afs', '9p', 'ncpfs', 'coda'],
  ...[
    'lustre',
    'beegfs',
    'gpfs',
    'ceph',
    'glusterfs',
    'orangefs',
    'pvfs2',
    'panfs',
    'wekafs',
    'ocfs2',
    'gfs2',
  ],
])
/** What FUSE programs call themselves, as in `fuse.sshfs`. Others are mostly local. */
const NETWORK_FUSE: ReadonlySet<string> = new Set([
  ...[
    'sshfs',
    'ceph',
    'glusterfs',
    'rclone',
    's3fs',
    'juicefs',
    'moosefs',
    'mfs',
    'davfs',
    'curlftpfs',
    'cvmfs2',
  ],
])

export function isNetwork(fstype: string): boolean {
  return NETWORK.has(fstype) || NETWORK_FUSE.has(/^fuse(?:blk)?\.(.+)$/.exec(fstype)?.[1] ?? '')
}

/**
 * The network or automount file system that `path` lies on, by the table alone: nothing is touched.
 * @returns null: it is on this machine
 */
export function remoteMount(table: MountTable, path: string): Mount | null {
  const mount = table.holding(path)
  return mount !== null && (isNetwork(mount.fstype) || mount.fstype === 'autofs') ? mount : null
}
