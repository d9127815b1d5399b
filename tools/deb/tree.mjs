// What the package puts where. All of it belongs to root; the directories are made as needed.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { launcher } from '../launcher.mjs'
import { fetchKoffi } from '../sea/fetch.mjs'
import { EXECUTABLE, makeExecutable } from '../sea.mjs'
import { copyright } from './copyright.mjs'

const LIB = 'usr/lib/polyns'
const DOC = 'usr/share/doc/polyns'
const UNITS = ['polyns-setup.service', 'polyns-reap.service', 'polyns-reap.timer']
/** Of the repository, as they are. */
const COPIES = {
  [`${LIB}/config`]: 'config',
  ...Object.fromEntries(UNITS.map((name) => [`usr/lib/systemd/system/${name}`, `config/systemd/${name}`])),
  'usr/lib/tmpfiles.d/polyns.conf': 'config/tmpfiles/polyns.conf',
  'usr/share/bash-completion/completions/polyns': 'config/completion/polyns.bash',
  'usr/share/zsh/vendor-completions/_polyns': 'config/completion/_polyns',
  'usr/share/lintian/overrides/polyns': 'tools/deb/lintian-overrides',
  [`${DOC}/README.md`]: 'README.md',
  [`${DOC}/SECURITY.md`]: 'SECURITY.md',
  [`${DOC}/docs`]: 'docs',
}
const COMPRESSED = {
  [`${DOC}/changelog.gz`]: 'tools/deb/changelog',
  'usr/share/man/man8/polyns.8.gz': 'man/polyns.8',
  'usr/share/man/man5/polyns-namespace.conf.5.gz': 'man/polyns-namespace.conf.5',
}

/** Fills the directory `root`. @throws {Error} something that belongs into the package is not there */
export async function fillTree(root, arch) {
  const missing = [...Object.values(COPIES), ...Object.values(COMPRESSED)].filter((path) => !existsSync(path))
  if (missing.length > 0)
    throw new Error(`not in this tree, and belongs into the package: ${missing.join(', ')}`)
  const at = (path) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    return join(root, path)
  }
  for (const [path, from] of Object.entries(COPIES)) cpSync(from, at(path), { recursive: true })
  for (const [path, from] of Object.entries(COMPRESSED))
    writeFileSync(at(path), gzipSync(readFileSync(from), { level: 9 })) // without a name and a time
  const node = await makeExecutable({ arch, output: at(`${LIB}/${EXECUTABLE}`) })
  const koffi = fetchKoffi(arch)
  cpSync(koffi.path, at(`${LIB}/koffi-${koffi.version}.node`))
  writeFileSync(at(`${LIB}/polyns`), launcher(arch))
  mkdirSync(at('usr/sbin'))
  symlinkSync('../lib/polyns/polyns', at('usr/sbin/polyns'))
  writeFileSync(at(`${DOC}/copyright`), await copyright(join(node, 'LICENSE')))
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', root])
  execFileSync('chmod', ['755', join(root, LIB, 'polyns'), join(root, LIB, EXECUTABLE)])
}
