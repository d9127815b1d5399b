/* Whether systemd-tmpfiles deletes users' old files in the instances, as it does in the real directories. */
import { command } from '../../propagation/step.js'
import { type Check, type Finding, ok, warning } from '../finding.js'
import { parentsOf } from '../places.js'
import { agingOf, readTmpfiles } from '../tmpfiles.js'

// Not polyns.conf, which would replace the one that is shipped.
const OWN = '/etc/tmpfiles.d/polyns-site.conf'

export const tmpfiles: Check = {
  id: 'tmpfiles',
  title: "Nothing of systemd's deletes users' old files",
  status: 1,
  run(host) {
    if (!host.hasSystemd) return []
    const lines = readTmpfiles(
      (path) => host.list(path),
      (path) => host.read(path),
    )
    return parentsOf(host).map((parent): Finding => {
      const found = agingOf(parent, lines)
      if (found === null) return ok(`nothing deletes what is old in ${parent}`)
      const { file, line, type, path, age } = found
      const saw = `${file}:${line}: '${type} ${path} ... ${age}' reaches into ${parent}`
      const why =
        'systemd-tmpfiles deletes files of that age from private directories too, those of running jobs among them'
      const exclude = `${command('echo', `x ${parent}`)} >>${OWN}`
      return warning(saw, why, 'mkdir -p /etc/tmpfiles.d', exclude)
    })
  },
}
