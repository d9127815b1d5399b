// The versions of what is measured, as they are in the sandbox.
import { installPolyns, POLYNS, report, sh } from '../inside.mjs'

installPolyns()
const version = (name) => sh(`dpkg-query -W -f '\${Version}' ${name}`)
report([
  ['polyns', `${sh(`${POLYNS} --version`).trim()}; the executable of the package has Node ${nodeOf()}`],
  ['the checkout runs by', `Node ${process.version.slice(1)}`],
  ['Linux-PAM', version('libpam-modules')],
  ['OpenSSH', version('openssh-server')],
  ['sudo, su', `${version('sudo')}, ${version('login')}`],
  ['hyperfine, pamtester', `${version('hyperfine')}, ${version('pamtester')}`],
])

function nodeOf() {
  return JSON.parse(sh('cat /opt/polyns/tools/sea/node.json')).version
}
