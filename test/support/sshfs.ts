/* Real FUSE file systems in a sandbox, served by sftp-server without a login, and made to hang. */
import type { Sandbox } from './sandbox.js'

const SERVE = '/usr/local/bin/serve'

/**
 * Mounts an sshfs that everybody may use on each of `dirs`; each shows `served`.
 * @returns what makes them hang, in one of the two ways there are:
 * - `server`: the process that answers the kernel has stopped; what is asked from now on waits in its queue
 * - `network`: it takes each question and gets no answer from the other end
 */
export async function mountSshfs(box: Sandbox, served: string, ...dirs: string[]) {
  await box.write(SERVE, '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n', 0o755)
  const options = `ssh_command=${SERVE},allow_other,dir_cache=no,attr_timeout=0,entry_timeout=0`
  for (const dir of dirs) {
    await box.sh(`mkdir -p ${dir} && sshfs -o ${options} box:${served} ${dir} && ls ${dir} >/dev/null`)
  }
  return {
    async hang(what: 'server' | 'network') {
      await box.sh(`pkill -STOP -x ${what === 'server' ? 'sshfs' : 'sftp-server'}`)
    },
    async goOn() {
      await box.sh('pkill -CONT -x sshfs; pkill -CONT -x sftp-server')
    },
  }
}
