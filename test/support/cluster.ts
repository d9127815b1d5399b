/*
 * A SLURM cluster of two sandboxes: `n1` with slurmctld, and `n2`. The veth pair between them is made from inside n1's network
 * namespace, with its other end in n2's: the machine's own network never has it, and it ends with either of them.
 */
import { PATH } from './enter.js'
import { show, start } from './run.js'
import { Sandbox } from './sandbox.js'
import { type SlurmOptions, startNodes } from './slurm.js'

export interface Cluster {
  n1: Sandbox
  n2: Sandbox
  [Symbol.asyncDispose](): Promise<void>
}

/** @param furnish what every node needs before SLURM starts on it */
export async function startCluster(
  furnish: (box: Sandbox) => Promise<unknown>,
  options: SlurmOptions,
): Promise<Cluster> {
  const [n1, n2] = await Promise.all([Sandbox.start({ name: 'n1' }), Sandbox.start({ name: 'n2' })])
  await connect(n1, n2)
  const nodes = [
    { box: n1, name: 'n1', address: '198.51.100.1' },
    { box: n2, name: 'n2', address: '198.51.100.2' },
  ] as const
  const names = nodes.map(({ name, address }) => `${address} ${name}\n`).join('')
  for (const { box, address } of nodes) {
    await box.write('/etc/hosts', `127.0.0.1 localhost\n${names}`)
    await box.sh(`ip addr add ${address}/24 dev wire && ip link set wire up`)
    await furnish(box)
  }
  await startNodes(nodes, options)
  const stop = async () => {
    const ends = await Promise.allSettled([n2.stop(), n1.stop()])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  return { n1, n2, [Symbol.asyncDispose]: stop }
}

/** Gives each of them an interface `wire`. */
async function connect(one: Sandbox, other: Sandbox): Promise<void> {
  // Not into one's pid namespace: the kernel looks for the pid of `netns` in that of the caller.
  const enter = ['nsenter', '-t', `${one.host.pid1}`, '-m', '-n', '--']
  const veth = `ip link add name wire type veth peer name wire netns ${other.host.pid1}`
  const argv = [...enter, ...veth.split(' ')]
  const { status, stdout, stderr } = await start(argv, { env: { PATH }, timeoutMs: 30_000 }).exited
  if (status !== 0) throw new Error(`no veth pair\n${show(argv, stdout, stderr)}`)
}
