/* A process that holds a sandbox and never lets go: for a test that kills it. Prints the pid of the sandbox's pid 1. */
import { Sandbox } from './sandbox.js'

const box = await Sandbox.start({ name: 'held' })
const sleeper = box.spawn(['sleep', '1000'])
await box.sh('setsid -f sleep 1000 >/dev/null 2>&1')
await box.pidOf(sleeper)
console.log(box.host.pid1)
setInterval(() => {}, 1000)
