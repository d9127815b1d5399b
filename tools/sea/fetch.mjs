// The Node that becomes the single executable, and koffi's native file, both from the npm registry by npm, and both held to the
// sha512 that is kept in this repository: node.json here, package-lock.json for koffi. They stay in .cache/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export const ARCHES = ['x64', 'arm64']

/** @returns the version of that Node, and the directory that its package was unpacked to: bin/node, LICENSE */
export function fetchNode(arch) {
  const { version, ...integrity } = JSON.parse(readFileSync('tools/sea/node.json', 'utf8'))
  return { version, directory: fetchPackage(`node-linux-${arch}`, version, integrity[arch]) }
}

/** @returns its version, and the path of its native file */
export function fetchKoffi(arch) {
  const name = `@koromix/koffi-linux-${arch}`
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  const { version, integrity } = packages[`node_modules/${name}`]
  return { version, path: join(fetchPackage(name, version, integrity), `linux_${arch}/koffi.node`) }
}

function fetchPackage(name, version, integrity) {
  const directory = join(
    '.cache',
    `${name.replace('/', '-').replace('@', '')}-${version}-${integrity.slice(7, 19).replaceAll('/', '_')}`,
  )
  if (existsSync(directory)) return directory
  const aside = `${directory}.${process.pid}`
  try {
    mkdirSync(aside, { recursive: true })
    const told = run(
      'npm',
      'pack',
      `${name}@${version}`,
      '--json',
      '--ignore-scripts',
      '--loglevel=error',
      '--pack-destination',
      aside,
    )
    const tarball = join(aside, JSON.parse(told)[0].filename)
    const found = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
    if (found !== integrity)
      throw new Error(
        `${name}@${version} from the npm registry is not the one that was chosen: ${found}, not ${integrity}`,
      )
    run('tar', '-xzf', tarball, '-C', aside, '--strip-components=1', '--no-same-owner')
    rmSync(tarball)
    putInPlace(aside, directory)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
  return directory
}

function putInPlace(aside, directory) {
  try {
    renameSync(aside, directory)
  } catch (error) {
    // Somebody else has fetched the same meanwhile.
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
  }
}

export function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0)
    throw error ?? new Error(`'${command} ${args.join(' ')}' gave status ${status}: ${stderr}`)
  return stdout
}
