/* What the phases of the scenario share. */
import type { Test } from 'tap'
import type { Held } from '../held.js'
import type { Machine } from '../machine.js'
import type { Suite } from '../qemu.js'

export interface Scene {
  vm: Machine
  suite: Suite
  /** The package, on this side. */
  deb: string
  /** `mnt:[...]` of the guest's pid 1, since its last boot. */
  host: string
}

/** Logins that stay open from one phase to the next. */
export interface People {
  alice: Held
  bob: Held
}

export const NAMESPACE = 'readlink /proc/self/ns/mnt'

/** What doctor says of a machine that is as it should be: logind's default, which is the administrator's to decide. */
export const EXPECTED_FINDINGS = ['remove-ipc']

interface Finding {
  severity: string
  saw: string
}

/** Every finding of doctor that is not in order, as `id: what it saw`. Its whole text is kept as an artifact. */
export async function doctor({ vm }: Scene, artifact: string): Promise<string[]> {
  const { stdout, stderr } = await vm.root('polyns doctor --json', { timeoutMs: 300_000 })
  vm.keep(`doctor-${artifact.replaceAll(' ', '-')}.json`, stdout + stderr)
  const { checks } = JSON.parse(stdout) as { checks: { id: string; findings: Finding[] }[] }
  return checks.flatMap(({ id, findings }) =>
    findings.filter(({ severity }) => severity !== 'ok').map(({ saw }) => `${id}: ${saw}`),
  )
}

/** Fails for each finding that is not expected. */
export async function inOrder(t: Test, scene: Scene, artifact: string): Promise<void> {
  const found = await scene.vm.time(`doctor ${artifact}`, () => doctor(scene, artifact))
  const strange = found.filter((line) => !EXPECTED_FINDINGS.some((id) => line.startsWith(`${id}: `)))
  t.strictSame(strange, [], `doctor ${artifact}`)
}
