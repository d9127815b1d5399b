// npm run package [-- --arch arm64] [--output DIR]: makes out/polyns_VERSION_ARCH.deb, which needs no Node on the machine it is installed on.
// The same tree gives the same package, byte by byte: sorted, root's, and with the time of the last entry of the changelog.
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { fillTree } from './deb/tree.mjs'
import { ARCHES, run } from './sea/fetch.mjs'

const DEBIAN = { x64: 'amd64', arm64: 'arm64' }
const SCRIPTS = ['postinst', 'prerm', 'postrm']

const { arch, output } = parseArgs({
  options: { arch: { type: 'string', default: process.arch }, output: { type: 'string', default: 'out' } },
}).values
if (!ARCHES.includes(arch)) throw new Error(`--arch is one of ${ARCHES.join(', ')}`)
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const start = Date.now()
const epoch = process.env.SOURCE_DATE_EPOCH ?? lastRelease(version)
process.umask(0o022)
const root = mkdtempSync(join(tmpdir(), 'polyns-deb-'))
try {
  chmodSync(root, 0o755)
  await fillTree(root, arch)
  writeControl(root)
  for (const path of [...everything(root), root]) lutimesSync(path, Number(epoch), Number(epoch))
  mkdirSync(output, { recursive: true })
  const file = `${output}/polyns_${version}_${DEBIAN[arch]}.deb`
  process.env.SOURCE_DATE_EPOCH = epoch
  // Every Debian whose kernel will do can read zstd; xz takes a minute, and saves a sixth.
  run('dpkg-deb', '--root-owner-group', '-Zzstd', '--build', root, file)
  const megabytes = (lstatSync(file).size / 1e6).toFixed(1)
  console.log(`${file}: ${megabytes} MB, ${((Date.now() - start) / 1000).toFixed(1)} s`)
} finally {
  rmSync(root, { recursive: true })
}

function writeControl(root) {
  const files = everything(root).filter((path) => lstatSync(path).isFile())
  const size = everything(root).reduce((sum, path) => sum + Math.ceil((lstatSync(path).size || 1) / 1024), 0)
  const sums = files.map(
    (path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(root, path)}\n`,
  )
  const words = { VERSION: version, ARCHITECTURE: DEBIAN[arch], SIZE: size }
  const control = readFileSync('tools/deb/control', 'utf8').replace(
    /\b(VERSION|ARCHITECTURE|SIZE)\b/g,
    (word) => words[word],
  )
  mkdirSync(join(root, 'DEBIAN'))
  writeFileSync(join(root, 'DEBIAN/control'), control)
  writeFileSync(join(root, 'DEBIAN/md5sums'), sums.join(''))
  for (const name of SCRIPTS) {
    cpSync(`tools/deb/${name}`, join(root, 'DEBIAN', name))
    chmodSync(join(root, 'DEBIAN', name), 0o755)
  }
}

function everything(root) {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => join(root, name))
}

/** The time in the changelog, in seconds. @throws {Error} its last entry is of another version */
function lastRelease(version) {
  const text = readFileSync('tools/deb/changelog', 'utf8')
  const [, last] = /^polyns \(([^)]+)\)/.exec(text) ?? []
  const [, date] = /^ -- .*> {2}(.*)$/m.exec(text) ?? []
  if (last !== version)
    throw new Error(`tools/deb/changelog begins with ${last}, package.json says ${version}`)
  return `${Date.parse(date) / 1000}`
}
