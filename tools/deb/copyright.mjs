// /usr/share/doc/polyns/copyright: what is bundled, and under which licenses, word for word.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const ENTRIES = ['src/cli/main.ts', 'src/cli/login.ts', 'src/cleanup/assistant-thread.ts']

/** @param nodeLicense the path of Node's own, which has those of all that Node bundles */
export async function copyright(nodeLicense) {
  const parts = (await bundledPackages()).map((name) => {
    const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'))
    return part(`${name} ${version} (${license})`, licenseOf(name))
  })
  return [
    'polyns: a private /tmp and /dev/shm for every user, session or SLURM job on a shared Linux machine.\n',
    readFileSync('tools/deb/license', 'utf8'),
    'The single executable contains Node.js, and with it runs the packages below, each under its own license.\n',
    ...parts,
    part('Node.js, with what it contains', readFileSync(nodeLicense, 'utf8')),
  ].join('\n')
}

/** Those of which a file is in a bundle, and koffi, which lies beside it. */
async function bundledPackages() {
  const { metafile } = await build({
    entryPoints: ENTRIES,
    outdir: 'out',
    write: false,
    metafile: true,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['koffi'],
    logLevel: 'error',
    define: { 'import.meta.url': '__filename' },
  })
  const inside = Object.keys(metafile.inputs).flatMap(
    (path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  )
  return [...new Set([...inside, 'koffi'])].sort()
}

function licenseOf(name) {
  const directory = join('node_modules', name)
  const file = readdirSync(directory).find((entry) => /^licen[cs]e(\.|$)/i.test(entry))
  if (file === undefined) throw new Error(`${name} is bundled, and has no file with its license`)
  return readFileSync(join(directory, file), 'utf8')
}

function part(title, text) {
  return `${'-'.repeat(79)}\n${title}\n\n${text.trimEnd()}\n`
}
