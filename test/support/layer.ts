/*
 * Where the package layer is: unpacked by the runner for the whole run, or (a single file under plain `npx tap`) the archive,
 * which then every sandbox unpacks for itself.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export type Layer = { env: Record<string, string> } | { reason: string }

let known: Layer | undefined

/** Finds the layer, or builds it: the first time that takes half a minute. */
export function layer(): Layer {
  known ??= find()
  return known
}

function find(): Layer {
  const unpacked = process.env.POLYNS_TEST_LAYER
  if (unpacked) return { env: { POLYNS_TEST_LAYER: unpacked } }
  const why = process.env.POLYNS_TEST_NO_LAYER // the runner has tried already
  if (why) return { reason: why }
  const script = fileURLToPath(new URL('layer.sh', import.meta.url))
  const { status, stdout, stderr } = spawnSync(script, ['ensure'], { encoding: 'utf8', timeout: 1_300_000 })
  if (status !== 0) return { reason: stderr.trim().split('\n').at(-1) ?? 'not built' }
  return { env: { POLYNS_TEST_LAYER_TAR: stdout.trim() } }
}
